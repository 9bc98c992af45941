package api

// Service is a Service.
type Service struct {
	Meta `json:"metadata"`
	Spec struct {
		Type     string            `json:"type,omitempty"`
		Selector map[string]string `json:"selector,omitempty"`
		Ports    []struct {
			Name       string      `json:"name,omitempty"`
			Port       int32       `json:"port"`
			TargetPort IntOrString `json:"targetPort"`
		} `json:"ports,omitempty"`
		PublishNotReady bool `json:"publishNotReadyAddresses,omitempty"`
	} `json:"spec"`
}

// ExternalName is the type of a Service that is only a name.
const ExternalName = "ExternalName"

// ServiceLabel names the Service that an EndpointSlice belongs to.
const ServiceLabel = "kubernetes.io/service-name"

// EndpointSlice is a part of the addresses that a Service sends to.
type EndpointSlice struct {
	Meta      `json:"metadata"`
	Endpoints []Endpoint     `json:"endpoints,omitempty"`
	Ports     []EndpointPort `json:"ports,omitempty"`
}

// Endpoint is one address, with whether it gets traffic: nil means yes.
type Endpoint struct {
	Addresses  []string         `json:"addresses,omitempty"`
	TargetRef  *ObjectReference `json:"targetRef,omitempty"`
	Conditions struct {
		Ready *bool `json:"ready,omitempty"`
	} `json:"conditions"`
}

// EndpointPort is a port of all addresses of a slice.
type EndpointPort struct {
	Name string `json:"name,omitempty"`
	Port int32  `json:"port,omitempty"`
}

// Endpoints is the older form of an EndpointSlice.
type Endpoints struct {
	Meta    `json:"metadata"`
	Subsets []struct {
		Addresses []EndpointAddress `json:"addresses,omitempty"`
		NotReady  []EndpointAddress `json:"notReadyAddresses,omitempty"`
		Ports     []EndpointPort    `json:"ports,omitempty"`
	} `json:"subsets,omitempty"`
}

// EndpointAddress is one address of the older form.
type EndpointAddress struct {
	IP        string           `json:"ip"`
	TargetRef *ObjectReference `json:"targetRef,omitempty"`
}

// Node is a node.
type Node struct {
	Meta `json:"metadata"`
	Spec struct {
		Unschedulable bool `json:"unschedulable,omitempty"`
		Taints        []struct {
			Key    string `json:"key"`
			Value  string `json:"value,omitempty"`
			Effect string `json:"effect"`
		} `json:"taints,omitempty"`
	} `json:"spec"`
	Status struct {
		Conditions []Condition `json:"conditions,omitempty"`
	} `json:"status"`
}

// Namespace is a namespace.
type Namespace struct {
	Meta `json:"metadata"`
}

// ResourceQuota is what a namespace may use, and uses.
type ResourceQuota struct {
	Meta   `json:"metadata"`
	Status struct {
		Hard Quantities `json:"hard,omitempty"`
		Used Quantities `json:"used,omitempty"`
	} `json:"status"`
}

// DisruptionBudget is a PodDisruptionBudget.
type DisruptionBudget struct {
	Meta `json:"metadata"`
	Spec struct {
		Selector *Selector `json:"selector,omitempty"`
	} `json:"spec"`
	Status struct {
		DisruptionsAllowed int32 `json:"disruptionsAllowed"`
	} `json:"status"`
}

// Reference names the workload that an autoscaler owns.
type Reference struct {
	Kind string `json:"kind"`
	Name string `json:"name"`
}

// Autoscaler is a HorizontalPodAutoscaler, of which v1 and v2 have these fields in the same places.
type Autoscaler struct {
	Meta `json:"metadata"`
	Spec struct {
		Target      Reference `json:"scaleTargetRef"`
		MinReplicas *int32    `json:"minReplicas,omitempty"`
		MaxReplicas int32     `json:"maxReplicas"`
	} `json:"spec"`
	Status struct {
		Conditions []Condition `json:"conditions,omitempty"`
	} `json:"status"`
}

// Resizer is a VerticalPodAutoscaler, whose API is no part of Kubernetes itself.
type Resizer struct {
	Meta `json:"metadata"`
	Spec struct {
		Target Reference `json:"targetRef"`
		Update struct {
			Mode string `json:"updateMode,omitempty"`
		} `json:"updatePolicy"`
	} `json:"spec"`
}

// NetworkPolicy says who may reach pods. Only how many rules let somebody in is read.
type NetworkPolicy struct {
	Meta `json:"metadata"`
	Spec struct {
		PodSelector Selector   `json:"podSelector"`
		Ingress     []struct{} `json:"ingress,omitempty"`
		Types       []string   `json:"policyTypes,omitempty"` // Ingress, Egress; empty means Ingress
	} `json:"spec"`
}
