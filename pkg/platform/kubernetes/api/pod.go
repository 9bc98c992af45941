package api

import (
	"time"

	"k8s.io/apimachinery/pkg/api/resource"
)

// Pod is a pod.
type Pod struct {
	Meta   `json:"metadata"`
	Spec   PodSpec   `json:"spec"`
	Status PodStatus `json:"status"`
}

// PodTemplate is what the pods of a workload are made of.
type PodTemplate struct {
	Meta `json:"metadata"`
	Spec PodSpec `json:"spec"`
}

// PodSpec is what is wanted of a pod.
type PodSpec struct {
	NodeName        string      `json:"nodeName,omitempty"`
	RestartPolicy   string      `json:"restartPolicy,omitempty"` // Always (also ""), OnFailure, Never
	InitContainers  []Container `json:"initContainers,omitempty"`
	Containers      []Container `json:"containers,omitempty"`
	SchedulingGates []struct {
		Name string `json:"name"`
	} `json:"schedulingGates,omitempty"`
	ReadinessGates []struct {
		ConditionType string `json:"conditionType"`
	} `json:"readinessGates,omitempty"`
}

// Container is one container of a pod's specification.
type Container struct {
	Name          string          `json:"name"`
	Image         string          `json:"image,omitempty"`
	Command       []string        `json:"command,omitempty"`
	Args          []string        `json:"args,omitempty"`
	RestartPolicy string          `json:"restartPolicy,omitempty"` // of an init container: Always makes it a sidecar
	Env           []EnvVar        `json:"env,omitempty"`
	Ports         []ContainerPort `json:"ports,omitempty"`
	Resources     Resources       `json:"resources"`
	StartupProbe  *Probe          `json:"startupProbe,omitempty"`
	Readiness     *Probe          `json:"readinessProbe,omitempty"`
	Liveness      *Probe          `json:"livenessProbe,omitempty"`
}

// EnvVar is a variable of the environment whose value stands in the specification.
type EnvVar struct {
	Name  string `json:"name"`
	Value string `json:"value,omitempty"`
}

// ContainerPort is a port that a container declares. It need not declare those that it listens on.
type ContainerPort struct {
	Name   string `json:"name,omitempty"`
	Number int32  `json:"containerPort"`
}

// Quantities are amounts by the name of a resource: cpu, memory, limits.memory, pods.
type Quantities map[string]resource.Quantity

// Resources are what a container asks for and may have.
type Resources struct {
	Requests Quantities `json:"requests,omitempty"`
	Limits   Quantities `json:"limits,omitempty"`
}

// Probe is when the kubelet asks a container; 0 means the API's default.
type Probe struct {
	InitialDelaySeconds int32 `json:"initialDelaySeconds,omitempty"`
	PeriodSeconds       int32 `json:"periodSeconds,omitempty"`
	FailureThreshold    int32 `json:"failureThreshold,omitempty"`
}

// PodStatus is what the kubelet and the scheduler say of a pod.
type PodStatus struct {
	Phase      string            `json:"phase,omitempty"` // Pending (also ""), Running, Succeeded, Failed
	Reason     string            `json:"reason,omitempty"`
	Message    string            `json:"message,omitempty"`
	Conditions []Condition       `json:"conditions,omitempty"`
	Init       []ContainerStatus `json:"initContainerStatuses,omitempty"`
	Containers []ContainerStatus `json:"containerStatuses,omitempty"`
}

// Phases of a pod.
const (
	PodPending   = "Pending"
	PodRunning   = "Running"
	PodSucceeded = "Succeeded"
	PodFailed    = "Failed"
)

// Types of a pod's conditions.
const (
	Ready            = "Ready"
	ContainersReady  = "ContainersReady"
	PodScheduled     = "PodScheduled"
	DisruptionTarget = "DisruptionTarget"
)

// ContainerStatus is what the kubelet says of a container.
type ContainerStatus struct {
	Name         string         `json:"name"`
	Image        string         `json:"image,omitempty"`
	Ready        bool           `json:"ready"`
	RestartCount int32          `json:"restartCount"`
	State        ContainerState `json:"state"`
	LastState    ContainerState `json:"lastState"`
}

// ContainerState is what a container does: one of the three, or none when it is not known.
type ContainerState struct {
	Waiting    *Waiting    `json:"waiting,omitempty"`
	Running    *Running    `json:"running,omitempty"`
	Terminated *Terminated `json:"terminated,omitempty"`
}

// Waiting is a container that does not run, and why.
type Waiting struct {
	Reason  string `json:"reason,omitempty"`
	Message string `json:"message,omitempty"`
}

// Running is a container that runs.
type Running struct {
	StartedAt time.Time `json:"startedAt,omitzero"`
}

// Terminated is how a container ended.
type Terminated struct {
	ExitCode   int32     `json:"exitCode"`
	Reason     string    `json:"reason,omitempty"`
	Message    string    `json:"message,omitempty"`
	StartedAt  time.Time `json:"startedAt,omitzero"`
	FinishedAt time.Time `json:"finishedAt,omitzero"`
}
