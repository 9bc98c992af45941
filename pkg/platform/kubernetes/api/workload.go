package api

// Labels that controllers give the pods of a revision.
const (
	TemplateHash = "pod-template-hash"        // of a Deployment's ReplicaSet
	RevisionHash = "controller-revision-hash" // of a StatefulSet or DaemonSet
)

// Deployment is a Deployment.
type Deployment struct {
	Meta `json:"metadata"`
	Spec struct {
		Replicas *int32      `json:"replicas,omitempty"`
		Selector *Selector   `json:"selector,omitempty"`
		Template PodTemplate `json:"template"`
		Paused   bool        `json:"paused,omitempty"`
		Strategy struct {
			Type          string `json:"type,omitempty"` // RollingUpdate (also "") or Recreate
			RollingUpdate *struct {
				MaxSurge       *IntOrString `json:"maxSurge,omitempty"`
				MaxUnavailable *IntOrString `json:"maxUnavailable,omitempty"`
			} `json:"rollingUpdate,omitempty"`
		} `json:"strategy"`
	} `json:"spec"`
	Status struct {
		ObservedGeneration int64       `json:"observedGeneration,omitempty"`
		Ready              int32       `json:"readyReplicas,omitempty"`
		Updated            int32       `json:"updatedReplicas,omitempty"`
		Available          int32       `json:"availableReplicas,omitempty"`
		Conditions         []Condition `json:"conditions,omitempty"`
	} `json:"status"`
}

// ReplicaSet is a ReplicaSet: of a Deployment one revision of its template.
type ReplicaSet struct {
	Meta `json:"metadata"`
	Spec struct {
		Replicas *int32      `json:"replicas,omitempty"`
		Selector *Selector   `json:"selector,omitempty"`
		Template PodTemplate `json:"template"`
	} `json:"spec"`
	Status struct {
		ObservedGeneration int64       `json:"observedGeneration,omitempty"`
		Replicas           int32       `json:"replicas"`
		Ready              int32       `json:"readyReplicas,omitempty"`
		Available          int32       `json:"availableReplicas,omitempty"`
		Conditions         []Condition `json:"conditions,omitempty"`
	} `json:"status"`
}

// StatefulSet is a StatefulSet.
type StatefulSet struct {
	Meta `json:"metadata"`
	Spec struct {
		Replicas *int32      `json:"replicas,omitempty"`
		Selector *Selector   `json:"selector,omitempty"`
		Template PodTemplate `json:"template"`
		Update   struct {
			Type          string `json:"type,omitempty"` // RollingUpdate (also "") or OnDelete
			RollingUpdate *struct {
				Partition int32 `json:"partition,omitempty"`
			} `json:"rollingUpdate,omitempty"`
		} `json:"updateStrategy"`
	} `json:"spec"`
	Status struct {
		ObservedGeneration int64  `json:"observedGeneration,omitempty"`
		Ready              int32  `json:"readyReplicas,omitempty"`
		Updated            int32  `json:"updatedReplicas,omitempty"`
		Available          int32  `json:"availableReplicas,omitempty"`
		CurrentRevision    string `json:"currentRevision,omitempty"`
		UpdateRevision     string `json:"updateRevision,omitempty"`
	} `json:"status"`
}

// DaemonSet is a DaemonSet.
type DaemonSet struct {
	Meta `json:"metadata"`
	Spec struct {
		Selector *Selector   `json:"selector,omitempty"`
		Template PodTemplate `json:"template"`
		Update   struct {
			Type          string `json:"type,omitempty"` // RollingUpdate (also "") or OnDelete
			RollingUpdate *struct {
				MaxUnavailable *IntOrString `json:"maxUnavailable,omitempty"`
			} `json:"rollingUpdate,omitempty"`
		} `json:"updateStrategy"`
	} `json:"spec"`
	Status struct {
		ObservedGeneration int64 `json:"observedGeneration,omitempty"`
		Wanted             int32 `json:"desiredNumberScheduled"`
		Ready              int32 `json:"numberReady"`
		Updated            int32 `json:"updatedNumberScheduled,omitempty"`
		Available          int32 `json:"numberAvailable,omitempty"`
	} `json:"status"`
}

// Job is a Job.
type Job struct {
	Meta `json:"metadata"`
	Spec struct {
		Suspend  bool        `json:"suspend,omitempty"`
		Template PodTemplate `json:"template"`
	} `json:"spec"`
	Status struct {
		Active     int32       `json:"active,omitempty"`
		Succeeded  int32       `json:"succeeded,omitempty"`
		Failed     int32       `json:"failed,omitempty"`
		Conditions []Condition `json:"conditions,omitempty"`
	} `json:"status"`
}

// The way in which a StatefulSet or DaemonSet leaves its pods to people, and a Deployment's that makes no additional pod.
const (
	OnDelete = "OnDelete"
	Recreate = "Recreate"
)
