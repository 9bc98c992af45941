package main

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"time"
)

// settings come from the environment, under the names and limits of the real server.
type settings struct {
	databaseURL string        // DATABASE_URL; "" means no pool, as in the real default configuration
	application string        // PGAPPNAME: application_name of the sessions
	minSize     int           // DB_POOL_SIZE: connections opened at start
	maxSize     int           // DB_POOL_SIZE + DB_MAX_OVERFLOW
	drain       time.Duration // DRAIN_TIMEOUT: how long a stop waits for running requests
	startFaults string        // FAULTS, and the content of FAULTS_FILE
}

// readSettings validates like the real server: everything out of range is fatal. POOL_MIN_SIZE and
// POOL_MAX_SIZE are validated when there is a database, and have no effect on the reported pool.
func readSettings(getenv func(string) string) (settings, error) {
	var errs []error
	number := func(name string, fallback, low, high int) int {
		text := getenv(name)
		if text == "" {
			return fallback
		}
		n, err := strconv.Atoi(text)
		if err != nil || n < low || n > high {
			errs = append(errs, fmt.Errorf("%s: must be a number from %d to %d (got %q)", name, low, high, text))
			return fallback
		}
		return n
	}
	s := settings{databaseURL: getenv("DATABASE_URL"), application: getenv("PGAPPNAME")}
	if s.application == "" {
		s.application = "codebase-mcp"
	}
	s.minSize = number("DB_POOL_SIZE", 20, 5, 50)
	s.maxSize = s.minSize + number("DB_MAX_OVERFLOW", 10, 0, 20)
	if s.databaseURL != "" {
		low, high := number("POOL_MIN_SIZE", 2, 1, 100), number("POOL_MAX_SIZE", 10, 1, 100)
		if high < low {
			errs = append(errs, fmt.Errorf("POOL_MAX_SIZE: must not be below POOL_MIN_SIZE (got %d < %d)", high, low))
		}
	}
	s.drain = 30 * time.Second // measured on the real server
	if text := getenv("DRAIN_TIMEOUT"); text != "" {
		d, err := time.ParseDuration(text)
		if err != nil {
			errs = append(errs, fmt.Errorf("DRAIN_TIMEOUT: %w", err))
		} else {
			s.drain = d
		}
	}
	s.startFaults = getenv("FAULTS")
	if path := getenv("FAULTS_FILE"); path != "" {
		text, err := os.ReadFile(path)
		if err != nil && !errors.Is(err, os.ErrNotExist) { // no file, no fault
			errs = append(errs, fmt.Errorf("FAULTS_FILE: %w", err))
		}
		s.startFaults += " " + string(text)
	}
	return s, errors.Join(errs...)
}
