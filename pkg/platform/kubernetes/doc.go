// Package kubernetes judges workloads of a Kubernetes cluster from their objects: what is wrong, whose fault it is, what
// recoveryd would do, and which guard bars it.
//
// It is pure: objects in, [Judgement] out. Today the objects come from files (`recoveryd diagnose --manifest`), read by
// [Read]; nothing here talks to an API server or changes anything.
//
// Start reading at [Judge]: it makes one [Judgement] per workload in three steps. find (judge.go) asks, in a
// fixed order, what is wrong; remedy (remedy.go) names the mildest thing that can cure it; guards (guards.go) is the
// ordered list of reasons not to do it. propose (propose.go) says
// the same as commands for people, choose.go what does not hang on objects. What a kind of object means is in view.go.
//
// The facts behind the rules are Kubernetes' own: a pod's status is what the kubelet saw, an EndpointSlice is what the
// Service sends traffic to, conditions of a workload are what its controller says. Readiness and endpoints come from the
// same kubelet probe and are therefore one witness.
package kubernetes
