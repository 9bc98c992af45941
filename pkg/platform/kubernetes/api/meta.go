// Package api is the fields of Kubernetes' objects that recoveryd reads, with the names and meanings that they have in
// Kubernetes' own API. Every other field is read over.
//
// They are structs of our own and not those of k8s.io/api, which make the program 8 MB larger, since each of their hundreds
// of types brings its own codecs (docs/decisions). A test reads every recorded object in both ways and compares them field by
// field. Quantities are Kubernetes' own.
//
// Times are the zero time where there is none. Nothing here is changed after it was decoded.
package api

import (
	"encoding/json"
	"strconv"
	"strings"
	"time"
)

// Meta is an object's metadata.
type Meta struct {
	Name              string            `json:"name,omitempty"`
	GenerateName      string            `json:"generateName,omitempty"`
	Namespace         string            `json:"namespace,omitempty"`
	UID               string            `json:"uid,omitempty"`
	ResourceVersion   string            `json:"resourceVersion,omitempty"`
	Generation        int64             `json:"generation,omitempty"`
	CreationTimestamp time.Time         `json:"creationTimestamp,omitzero"`
	DeletionTimestamp *time.Time        `json:"deletionTimestamp,omitempty"` // when the grace of a deleted object ends
	Labels            map[string]string `json:"labels,omitempty"`
	Annotations       map[string]string `json:"annotations,omitempty"`
	OwnerReferences   []OwnerReference  `json:"ownerReferences,omitempty"`
	Finalizers        []string          `json:"finalizers,omitempty"`
	ManagedFields     []ManagedFields   `json:"managedFields,omitempty"`
}

// Controller is the owner that controls the object; nil when none does.
func (m *Meta) Controller() *OwnerReference {
	for i := range m.OwnerReferences {
		if ref := &m.OwnerReferences[i]; ref.Controller {
			return ref
		}
	}
	return nil
}

// OwnerReference names an object that owns another.
type OwnerReference struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
	Name       string `json:"name"`
	UID        string `json:"uid"`
	Controller bool   `json:"controller,omitempty"`
}

// ManagedFields says who changed an object, and when.
type ManagedFields struct {
	Manager     string    `json:"manager,omitempty"`
	Operation   string    `json:"operation,omitempty"`
	Subresource string    `json:"subresource,omitempty"`
	Time        time.Time `json:"time,omitzero"`
}

// Condition is one condition of any object's status.
type Condition struct {
	Type    string `json:"type"`
	Status  string `json:"status"` // True, False or Unknown
	Reason  string `json:"reason,omitempty"`
	Message string `json:"message,omitempty"`
}

// The values of a condition's status.
const (
	True  = "True"
	False = "False"
)

// IntOrString is a number, a share ("25%") or a name.
type IntOrString struct {
	Number int32
	Text   string // "" for a number
}

// UnmarshalJSON reads either form.
func (v *IntOrString) UnmarshalJSON(text []byte) error {
	if len(text) > 0 && text[0] == '"' {
		return json.Unmarshal(text, &v.Text)
	}
	return json.Unmarshal(text, &v.Number)
}

// MarshalJSON writes the form that was read.
func (v IntOrString) MarshalJSON() ([]byte, error) {
	if v.Text != "" {
		return json.Marshal(v.Text)
	}
	return json.Marshal(v.Number)
}

// Of is the number, or that share of a whole, rounded down; what is no share is 0.
func (v IntOrString) Of(whole int32) int32 {
	if v.Text == "" {
		return v.Number
	}
	share, err := strconv.Atoi(strings.TrimSuffix(v.Text, "%"))
	if err != nil || share < 0 || share > 100 {
		return 0
	}
	return int32(int64(whole) * int64(share) / 100)
}

// ObjectReference names an object.
type ObjectReference struct {
	APIVersion string `json:"apiVersion,omitempty"`
	Kind       string `json:"kind,omitempty"`
	Namespace  string `json:"namespace,omitempty"`
	Name       string `json:"name,omitempty"`
	UID        string `json:"uid,omitempty"`
}

// Status is what the API server answers in place of an object.
type Status struct {
	Reason  string `json:"reason,omitempty"`
	Message string `json:"message,omitempty"`
	Code    int32  `json:"code,omitempty"`
}
