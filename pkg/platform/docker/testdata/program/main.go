// Program is what the containers of the tests run: it needs no image, no shell and no libc.
package main

import (
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"syscall"
	"time"
)

func main() {
	what := "sleep"
	if len(os.Args) > 1 {
		what = os.Args[1]
	}
	fmt.Println("program:", what)
	switch what {
	case "sleep": // until told to end; pid 1 has no default actions of signals
		wait := make(chan os.Signal, 1)
		signal.Notify(wait, syscall.SIGTERM)
		<-wait
		if len(os.Args) > 2 {
			os.Exit(number(os.Args[2]))
		}
	case "default": // as a child of docker-init: ends by the signal itself
		select {}
	case "stubborn":
		signal.Ignore(syscall.SIGTERM)
		for {
			time.Sleep(time.Hour)
		}
	case "exit": // after a while
		time.Sleep(200 * time.Millisecond)
		os.Exit(number(os.Args[2]))
	case "eat":
		eat()
	case "feed": // a child that eats, while the main process lives
		c := exec.Command(os.Args[0], "eat")
		_ = c.Run()
		for {
			time.Sleep(time.Hour)
		}
	case "check": // of health: the file of the argument exists
		if _, err := os.Stat(os.Args[2]); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
	case "touch":
		_ = os.MkdirAll("/tmp", 0o755)
		_ = os.WriteFile(os.Args[2], nil, 0o600)
	}
}

func eat() {
	var all [][]byte
	for {
		b := make([]byte, 1<<20)
		for i := range b {
			b[i] = 1
		}
		all = append(all, b)
		_ = all
	}
}

func number(s string) int {
	n, err := strconv.Atoi(s)
	if err != nil {
		panic(err)
	}
	return n
}
