package webhook

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"
)

// Headers of a signed request.
const (
	HeaderTimestamp = "X-Recoveryd-Timestamp" // Unix seconds
	HeaderSignature = "X-Recoveryd-Signature" // "v1=" and hex
)

// Sign adds timestamp and signature: v1 is HMAC-SHA256 over "v1:TIMESTAMP:BODY".
func Sign(h http.Header, secret string, body []byte, now time.Time) {
	stamp := strconv.FormatInt(now.Unix(), 10)
	h.Set(HeaderTimestamp, stamp)
	h.Set(HeaderSignature, "v1="+hex.EncodeToString(digest(secret, stamp, body)))
}

// Verify is for receivers: it checks the signature, and that the timestamp is within tolerance
// of now (five minutes are usual), so that a recorded request cannot be sent again later.
func Verify(h http.Header, secret string, body []byte, now time.Time, tolerance time.Duration) error {
	stamp := h.Get(HeaderTimestamp)
	sec, err := strconv.ParseInt(stamp, 10, 64)
	if err != nil {
		return errors.New("webhook is not signed: no timestamp")
	}
	if age := now.Sub(time.Unix(sec, 0)); age > tolerance || age < -tolerance {
		return fmt.Errorf("webhook is %s old, more than %s: a replay, or clocks that differ", age.Round(time.Second), tolerance)
	}
	if !hmac.Equal([]byte(h.Get(HeaderSignature)), []byte("v1="+hex.EncodeToString(digest(secret, stamp, body)))) {
		return errors.New("webhook has a wrong signature: another secret, or a changed body")
	}
	return nil
}

func digest(secret, stamp string, body []byte) []byte {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte("v1:" + stamp + ":")) // hash.Hash never returns an error
	mac.Write(body)
	return mac.Sum(nil)
}
