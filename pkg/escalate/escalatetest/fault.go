package escalatetest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"
)

// Failure modes of a fake.
const (
	FaultNone            = ""                  // works
	FaultDown            = "down"              // the connection is reset before an answer
	FaultStatus          = "status"            // answers Status and takes nothing
	FaultRateLimit       = "rate-limit"        // answers 429 with RetryAfter and takes nothing
	FaultSlow            = "slow"              // takes it and answers after Delay
	FaultHang            = "hang"              // takes nothing and never answers
	FaultHangAfterAccept = "hang-after-accept" // takes it and never answers
	FaultTruncate        = "truncate"          // takes it and breaks off in the middle of the answer
	FaultGarbage         = "garbage"           // answers 200 with a web page and takes nothing: a captive portal
)

// Fault makes a fake fail. The zero value makes it work.
type Fault struct {
	Mode string `json:"mode"`
	// Status is the answer of FaultStatus (SMTP: the reply code).
	Status int `json:"status,omitzero"`
	// Stage is where an SMTP fake gives Status: greeting, ehlo, auth, mail, rcpt, data, or body
	// (after the message), which is the default. Other fakes ignore it.
	Stage string `json:"stage,omitzero"`
	// RetryAfter is sent with FaultStatus and FaultRateLimit, as it stands.
	RetryAfter string `json:"retry_after,omitzero"`
	// DelaySeconds is how long FaultSlow waits.
	DelaySeconds float64 `json:"delay_seconds,omitzero"`
	// Count is how many requests fail before it works again; 0 means until it is changed.
	Count int `json:"count,omitzero"`
}

func (f Fault) check() error {
	modes := []string{FaultNone, FaultDown, FaultStatus, FaultRateLimit, FaultSlow, FaultHang, FaultHangAfterAccept, FaultTruncate, FaultGarbage}
	if !slices.Contains(modes, f.Mode) {
		return fmt.Errorf("unknown mode %q (want one of %q)", f.Mode, modes)
	}
	if f.Mode == FaultStatus && (f.Status < 200 || f.Status > 599) {
		return fmt.Errorf("mode status needs a status from 200 to 599 (got %d)", f.Status)
	}
	return nil
}

// faults is the switch of one fake.
type faults struct {
	mu  sync.Mutex
	now Fault
}

// Set changes the failure mode; it panics on an unknown one, which is a mistake of the test.
func (f *faults) Set(fault Fault) {
	if err := fault.check(); err != nil {
		panic("escalatetest: " + err.Error())
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.now = fault
}

// take returns the fault for one request and counts it down.
func (f *faults) take() Fault {
	f.mu.Lock()
	defer f.mu.Unlock()
	fault := f.now
	if fault.Count > 0 {
		f.now.Count--
		if f.now.Count == 0 {
			f.now = Fault{}
		}
	}
	return fault
}

// FaultHandler answers POST with a JSON [Fault] plus "vendor" (empty: all of them) by setting it.
func FaultHandler(vendors map[string]func(Fault)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPost {
			http.Error(w, "POST", http.StatusMethodNotAllowed)
			return
		}
		var in struct {
			Vendor string `json:"vendor"`
			Fault
		}
		dec := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<16))
		dec.DisallowUnknownFields()
		if err := dec.Decode(&in); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		if err := in.check(); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		set, ok := vendors[in.Vendor]
		if !ok && in.Vendor != "" {
			http.Error(w, "no such vendor here: "+in.Vendor, http.StatusNotFound)
			return
		}
		if ok {
			set(in.Fault)
		} else {
			for _, set := range vendors {
				set(in.Fault)
			}
		}
		w.WriteHeader(http.StatusNoContent)
	})
}

// retryAfter writes whole seconds, at least 1, as vendors do.
func retryAfter(d time.Duration) string {
	return strconv.Itoa(max(int((d+time.Second-1)/time.Second), 1))
}
