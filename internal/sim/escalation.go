package sim

import (
	"fmt"
	"time"

	"github.com/recoveryd/recoveryd/internal/routing"
	"github.com/recoveryd/recoveryd/pkg/escalate/route"
	"github.com/recoveryd/recoveryd/pkg/incident"
)

// people is the one channel of the model: who reads it is not what is judged here.
const people = "people"

// tiers are when the people of the model are told.
func tiers() []route.Tier {
	to := []string{people}
	return []route.Tier{{Name: "first", Notify: to}, {Name: "second", After: 15 * time.Minute, Notify: to}, {Name: "third", After: time.Hour, Notify: to}}
}

// escalation is the router that the daemon uses, with these tiers for every incident.
func escalation(t []route.Tier) incident.Escalation {
	r, err := route.NewRouter(route.Policy{Rules: []route.Rule{{Name: "all", Tiers: t}}}, []string{people}, time.LoadLocation)
	if err != nil {
		panic(fmt.Sprintf("the model's escalation: %v", err))
	}
	return routing.New(r)
}
