package console

// Exit codes, documented in docs/cli.md.
const (
	NotHealthy = 1 // something is wrong, or the command failed
	Usage      = 2 // bad configuration or bad arguments; for check: cannot tell
)

// ExitError carries an exit code to main; its message may be empty when all was printed already.
type ExitError struct {
	Code int
	Err  error
}

// Exit is an error with an exit code; nil when all was printed already.
func Exit(code int, err error) error { return &ExitError{code, err} }

// Error implements error.
func (e *ExitError) Error() string {
	if e.Err == nil {
		return ""
	}
	return e.Err.Error()
}

// Unwrap returns the cause.
func (e *ExitError) Unwrap() error { return e.Err }
