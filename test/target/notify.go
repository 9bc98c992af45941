package main

import (
	"log/slog"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
)

// notifyReady tells systemd that the server is ready and feeds its watchdog, if it has one, until
// stop is called. A wedged server does not feed it.
func notifyReady(log *slog.Logger, b *behaviour) (stop func()) {
	sent, err := daemon.SdNotify(false, daemon.SdNotifyReady)
	if err != nil || !sent {
		log.Warn("systemd was not told that the server is ready", "err", err)
	}
	interval, err := daemon.SdWatchdogEnabled(false)
	if err != nil || interval == 0 {
		return func() {}
	}
	quit := make(chan struct{})
	go func() {
		tick := time.NewTicker(interval / 3)
		defer tick.Stop()
		for {
			select {
			case <-quit:
				return
			case <-tick.C:
				if b.wedge() == nil {
					_, _ = daemon.SdNotify(false, daemon.SdNotifyWatchdog)
				}
			}
		}
	}()
	return func() { close(quit) }
}
