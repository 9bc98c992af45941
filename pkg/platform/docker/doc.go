// Package docker is the platform adapter for containers of Docker, and of Podman by its compatible socket.
//
// It asks the runtime over a socket of this host, listens to its events, and tells how containers run and end:
// whether a person stopped one, our own action did, or it crashed. The runtime keeps no record of who stopped a
// container, so that only its events tell; what ended while nobody listened, and could have been a person's doing,
// is not called a crash.
//
// It starts, stops, restarts and kills containers and changes their memory limit. It cannot do anything else: requests
// that are not in one short list are refused before they are sent (requests.go), so that no container, image or volume
// can be made or removed.
//
// Start reading at [Adapter]; facts.go and departure.go are the pure part.
package docker
