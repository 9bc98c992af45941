// Command floor is the least that can restart a systemd unit when it fails: it listens on D-Bus and
// starts the unit again at once. It has no policy, no journal, no verification and no second
// thought; nobody should run it. It is what recoveryd is measured against, since nothing in user
// space can be much faster. With addresses it also asks each of them every second, and does nothing
// with the answers: what watching costs at least.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	systemd "github.com/coreos/go-systemd/v22/dbus"
	"github.com/godbus/dbus/v5"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if len(os.Args) < 2 {
		log.Fatal("usage: floor UNIT [URL...]")
	}
	for _, url := range os.Args[2:] {
		go poll(url) // ends with the process
	}
	if err := run(ctx, os.Args[1]); err != nil {
		log.Fatal(err)
	}
}

// run listens until ctx ends.
func run(ctx context.Context, unit string) error {
	manager, err := systemd.NewSystemConnectionContext(ctx)
	if err != nil {
		return fmt.Errorf("connect to systemd: %w", err)
	}
	defer manager.Close()
	if err := manager.Subscribe(); err != nil {
		return fmt.Errorf("subscribe: %w", err)
	}
	bus, err := dbus.ConnectSystemBus(dbus.WithContext(ctx))
	if err != nil {
		return fmt.Errorf("connect to the bus: %w", err)
	}
	defer bus.Close() //nolint:errcheck // the process ends
	path := dbus.ObjectPath("/org/freedesktop/systemd1/unit/" + systemd.PathBusEscape(unit))
	if err := bus.AddMatchSignalContext(ctx, dbus.WithMatchObjectPath(path), dbus.WithMatchInterface("org.freedesktop.DBus.Properties"),
		dbus.WithMatchMember("PropertiesChanged")); err != nil {
		return fmt.Errorf("watch %s: %w", unit, err)
	}
	signals := make(chan *dbus.Signal, 64)
	bus.Signal(signals)
	for {
		select {
		case <-ctx.Done():
			return nil
		case s, ok := <-signals:
			if !ok {
				return errors.New("the bus is gone")
			}
			if !failed(s) {
				continue
			}
			if _, err := manager.StartUnitContext(ctx, unit, "replace", nil); err != nil {
				log.Printf("start %s: %v", unit, err)
			}
		}
	}
}

// poll asks an address every second.
func poll(url string) {
	client := &http.Client{Timeout: 500 * time.Millisecond, Transport: &http.Transport{DisableKeepAlives: true}}
	for range time.Tick(time.Second) {
		resp, err := client.Get(url)
		if err != nil {
			continue
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		_ = resp.Body.Close()
	}
}

// failed reports whether a signal says that the unit has just failed.
func failed(s *dbus.Signal) bool {
	if len(s.Body) < 2 || s.Body[0] != "org.freedesktop.systemd1.Unit" {
		return false
	}
	changed, ok := s.Body[1].(map[string]dbus.Variant)
	return ok && changed["ActiveState"].Value() == "failed"
}
