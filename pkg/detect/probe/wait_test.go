package probe

import "time"

// How long a test waits for something that another process does, and how often it looks.
const (
	waitFor = 10 * time.Second
	tick    = 5 * time.Millisecond
)

const (
	// brief is the timeout of requests that are meant to run into it.
	brief = 200 * time.Millisecond
	// patient is the timeout of requests that are meant to be answered: on a busy machine that may take
	// its time, and nobody waits for it otherwise.
	patient = time.Minute
)
