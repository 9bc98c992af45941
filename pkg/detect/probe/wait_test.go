package probe

import "time"

// How long a test waits for something that another process does, and how often it looks.
const (
	waitFor = 10 * time.Second
	tick    = 5 * time.Millisecond
)
