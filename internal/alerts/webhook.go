package alerts

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"
)

const (
	// MaxBody bounds one webhook. A group of a hundred alerts has some 100 KB.
	MaxBody = 1 << 20
	// maxAlerts bounds the alerts of one webhook; Alertmanager's max_alerts can send fewer.
	maxAlerts = 1000
	// maxLabels and maxLabel bound the labels of one alert, in number and in bytes.
	maxLabels, maxLabel = 100, 1024
)

// Webhook is what Alertmanager posts, in version 4 of its format, as far as it matters here. Keys that
// are not named are ignored: later versions of Alertmanager may add some.
type Webhook struct {
	Version   string  `json:"version"`
	Status    string  `json:"status"`
	Truncated int     `json:"truncatedAlerts"`
	Alerts    []Alert `json:"alerts"`
}

// Alert is one alert of a webhook.
type Alert struct {
	Status   string            `json:"status"` // firing or resolved
	Labels   map[string]string `json:"labels"`
	StartsAt time.Time         `json:"startsAt"`
	// EndsAt is when it was resolved, or when it will be taken for resolved; often the zero time.
	EndsAt      time.Time `json:"endsAt"`
	Fingerprint string    `json:"fingerprint"`
}

// The states of an alert.
const (
	Firing   = "firing"
	Resolved = "resolved"
)

// name is the label that every alert has.
const name = "alertname"

// Decode reads one webhook. The error says what is wrong with it.
func Decode(body []byte) (Webhook, error) {
	var w Webhook
	if len(body) > MaxBody {
		return w, fmt.Errorf("the webhook has more than %d bytes", MaxBody)
	}
	d := json.NewDecoder(bytes.NewReader(body))
	if err := d.Decode(&w); err != nil {
		return w, fmt.Errorf("this is no webhook of Alertmanager: %w", err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return w, errors.New("something follows after the webhook")
	}
	return w, w.check()
}

func (w Webhook) check() error {
	switch {
	case w.Version != "4":
		return fmt.Errorf("the webhook has version %.20q, want \"4\": is it Alertmanager that sends it?", w.Version)
	case w.Status != Firing && w.Status != Resolved:
		return fmt.Errorf("the status is %.20q, want firing or resolved", w.Status)
	case len(w.Alerts) == 0:
		return errors.New("there are no alerts in it")
	case len(w.Alerts) > maxAlerts:
		return fmt.Errorf("there are %d alerts in it, at most %d are taken (set max_alerts)", len(w.Alerts), maxAlerts)
	}
	for i, a := range w.Alerts {
		if err := a.check(); err != nil {
			return fmt.Errorf("alert %d: %w", i+1, err)
		}
	}
	return nil
}

func (a Alert) check() error {
	switch {
	case a.Status != Firing && a.Status != Resolved:
		return fmt.Errorf("its status is %.20q, want firing or resolved", a.Status)
	case a.Labels[name] == "":
		return errors.New("it has no label alertname")
	case len(a.Labels) > maxLabels:
		return fmt.Errorf("it has %d labels, at most %d are taken", len(a.Labels), maxLabels)
	case len(a.Fingerprint) > maxLabel:
		return errors.New("its fingerprint is too long")
	}
	for k, v := range a.Labels {
		if len(k) > maxLabel || len(v) > maxLabel {
			return fmt.Errorf("its label %.40q is longer than %d bytes", k, maxLabel)
		}
	}
	return nil
}
