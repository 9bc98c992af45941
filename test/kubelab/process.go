package kubelab

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"syscall"
)

// process is one running component.
type process struct {
	name component
	pid  int
	done chan struct{} // closed when it has been waited for
	log  string        // path
}

// startProcess starts the program as a component, in a group of its own, so that an interrupt from the keyboard ends it by
// Stop only; it ends with this process.
func startProcess(binary string, name component, dir string, args ...string) (*process, error) {
	p := &process{name: name, done: make(chan struct{}), log: logPath(dir, name)}
	log, err := os.Create(p.log)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	cmd := exec.Command(binary)
	cmd.Args = append([]string{string(name)}, args...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, log, log
	cmd.Env = append(os.Environ(), "HOME="+dir) // kwok reads ~/.kwok
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	endWithParent(cmd.SysProcAttr)
	started := make(chan error)
	go func() {
		// The kernel sends the death signal when the *thread* that forked ends, so that thread must live as long.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		if err := cmd.Start(); err != nil {
			started <- err
			return
		}
		p.pid = cmd.Process.Pid
		started <- nil
		_ = cmd.Wait() // every way to end is fine; the caller looks at the log
		close(p.done)
	}()
	if err := <-started; err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	return p, nil
}

// kill ends the component at once: nothing of a lab is worth keeping, and an API server whose etcd is gone does not end
// by SIGTERM.
func (p *process) kill() {
	_ = syscall.Kill(-p.pid, syscall.SIGKILL) // ended already: fine
	<-p.done
}

func (p *process) ended() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

// words says that the component has ended, with the end of its log.
func (p *process) words() error {
	text, err := os.ReadFile(p.log)
	if err != nil {
		return fmt.Errorf("%s ended: %w", p.name, err)
	}
	return fmt.Errorf("%s ended; the end of its log:\n%s", p.name, tail(text, 2000))
}
