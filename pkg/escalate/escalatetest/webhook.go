package escalatetest

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"sync"
	"time"
)

// WebhookSecret is the signing secret that the fake receiver knows.
const WebhookSecret = "whsec-fake-0123456789abcdef"

// WebhookOptions says what the fake receiver looks like.
type WebhookOptions struct {
	// Unsigned takes requests without a signature too (a dead-man service, Grafana OnCall).
	Unsigned bool
	// Tolerance is how old a signature may be; 0: 5m.
	Tolerance time.Duration
	// Log receives the entries; nil makes a new one.
	Log *Log
}

// Webhook is a receiver of signed webhooks, at any path: it checks
// X-Recoveryd-Signature ("v1=" + hex of HMAC-SHA256 over "v1:TIMESTAMP:BODY"), refuses old
// timestamps and unsigned requests, and recognises a repetition by its Idempotency-Key.
type Webhook struct {
	vendor
	o    WebhookOptions
	mu   sync.Mutex
	seen map[string]bool
}

// NewWebhook makes a receiver. It is an http.Handler; see [Serve].
func NewWebhook(o WebhookOptions) *Webhook {
	if o.Tolerance == 0 {
		o.Tolerance = 5 * time.Minute
	}
	w := &Webhook{vendor: newVendor("webhook", o.Log), o: o, seen: map[string]bool{}}
	w.handle = w.receive
	return w
}

// Received counts the distinct notices.
func (w *Webhook) Received() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.seen)
}

func (w *Webhook) receive(r *http.Request, body []byte) answer {
	refuse := func(why string) answer {
		return answer{status: http.StatusUnauthorized, body: why, verdict: Rejected, why: why}
	}
	if sign := r.Header.Get("X-Recoveryd-Signature"); sign != "" || !w.o.Unsigned {
		stamp := r.Header.Get("X-Recoveryd-Timestamp")
		sec, err := strconv.ParseInt(stamp, 10, 64)
		if err != nil {
			return refuse("no timestamp")
		}
		if age := w.now().Sub(time.Unix(sec, 0)); age > w.o.Tolerance || age < -w.o.Tolerance {
			return refuse("timestamp is too old or in the future")
		}
		mac := hmac.New(sha256.New, []byte(WebhookSecret))
		_, _ = fmt.Fprintf(mac, "v1:%s:%s", stamp, body)
		if !hmac.Equal([]byte("v1="+hex.EncodeToString(mac.Sum(nil))), []byte(sign)) {
			return refuse("signature does not match")
		}
	}
	a := answer{status: http.StatusOK, body: `{"ok":true}`, verdict: Accepted, why: "received", kind: r.Header.Get("X-Recoveryd-Kind")}
	var named struct {
		Key      string `json:"key"`
		AlertUID string `json:"alert_uid"`
	}
	if json.Unmarshal(body, &named) == nil {
		a.key = named.Key + named.AlertUID
	}
	if id := r.Header.Get("Idempotency-Key"); id != "" {
		w.mu.Lock()
		defer w.mu.Unlock()
		if w.seen[id] {
			a.why = "repetition"
		}
		w.seen[id] = true
	}
	return a
}
