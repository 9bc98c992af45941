package kubernetes

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// clause is one reason of the scheduler's sentence "0/5 nodes are available: 3 Insufficient memory, 2 node(s) had ...".
type clause struct {
	nodes int
	text  string
}

var (
	available  = regexp.MustCompile(`^(\d+)/(\d+) nodes are available:? ?(.*)$`)
	countFirst = regexp.MustCompile(`^(\d+) (.+)$`)
)

// schedulerClauses reads the scheduler's sentence: nodes in all, and why which number of them was not taken, most first.
// What follows about preemption repeats the same and is left out. ok is false for another sentence.
func schedulerClauses(message string) (total int, list []clause, ok bool) {
	m := available.FindStringSubmatch(strings.TrimSpace(message))
	if m == nil {
		return 0, nil, false
	}
	total, _ = strconv.Atoi(m[2])
	// After the reasons and a full stop comes what preemption and dynamic resources had to say, which is no reason.
	rest, _, _ := strings.Cut(m[3], " preemption:")
	rest, _, _ = strings.Cut(rest, ". ")
	rest = strings.TrimRight(rest, ". ")
	depth, from := 0, 0
	var parts []string
	for i, r := range rest { // commas stand in braces, too: {key: value, ...}
		switch r {
		case '{', '(':
			depth++
		case '}', ')':
			depth--
		case ',':
			if depth == 0 && regexp.MustCompile(`^ \d+ `).MatchString(rest[i+1:]+" ") {
				parts = append(parts, rest[from:i])
				from = i + 1
			}
		}
	}
	parts = append(parts, rest[from:])
	for _, p := range parts {
		p = strings.TrimSpace(p)
		if c := countFirst.FindStringSubmatch(p); c != nil {
			n, _ := strconv.Atoi(c[1])
			list = append(list, clause{n, strings.TrimSpace(c[2])})
		} else if p != "" {
			list = append(list, clause{total, p})
		}
	}
	slices.SortStableFunc(list, func(a, b clause) int { return b.nodes - a.nodes })
	return total, list, true
}

// schedulerWords are the causes that a person can do something about, by how the scheduler words them.
var schedulerWords = []struct{ match, words, culprit string }{
	{"Insufficient ", "too little %s is free", "capacity"},
	{"Too many pods", "the nodes hold as many pods as they may", "capacity"},
	{"untolerated taint", "taints that the pod does not tolerate", "taint"},
	{"node(s) were unschedulable", "nodes that are cordoned", "cordon"},
	{"didn't match Pod's node affinity/selector", "its node selector or affinity matches no node", "node selector"},
	{"didn't match pod anti-affinity rules", "its anti-affinity: it does not want to be beside the pods that are there", "anti-affinity"},
	{"didn't satisfy existing pods anti-affinity rules", "the anti-affinity of pods that are there", "anti-affinity"},
	{"didn't match pod affinity rules", "its affinity: no pod that it wants to be beside", "affinity"},
	{"didn't match pod topology spread constraints", "its topology spread constraints", "topology spread"},
	{"volume node affinity conflict", "its volume is bound to another node or zone", "volume"},
	{"unbound immediate PersistentVolumeClaims", "its volume claim is not bound", "volume claim"},
	{"didn't find available persistent volumes", "no volume fits its claim", "volume claim"},
	{"exceed max volume count", "the nodes have as many volumes as they may", "volume"},
	{"didn't have free ports", "its host port is taken on every node", "host port"},
	{"persistentvolumeclaim", "its volume claim does not exist", "volume claim"},
}

// unschedulable says why a pod has no node, in words, and what is to blame.
func unschedulable(message string) (because, culprit string) {
	total, list, ok := schedulerClauses(message)
	if !ok {
		if m := missingClaim.FindStringSubmatch(message); m != nil {
			return "has no node: its volume claim does not exist: " + m[1], "persistentvolumeclaim/" + m[1]
		}
		return "has no node: " + quote(message), ""
	}
	if total == 0 {
		return "has no node: the cluster has none (0/0 nodes are available)", "capacity"
	}
	words := make([]string, len(list))
	for i, c := range list {
		text, blamed := c.cause()
		if i == 0 {
			culprit = blamed
		}
		words[i] = fmt.Sprintf("%d of %d: %s", c.nodes, total, text)
	}
	return "has no node (" + strings.Join(words, "; ") + ")", culprit
}

// cause says a clause in words, and what is to blame; the clause itself, quoted, when it is none that is known.
func (c clause) cause() (words, culprit string) {
	if m := missingClaim.FindStringSubmatch(c.text); m != nil {
		return "its volume claim does not exist: " + m[1], "persistentvolumeclaim/" + m[1]
	}
	for _, w := range schedulerWords {
		if !strings.Contains(c.text, w.match) {
			continue
		}
		words = w.words
		if strings.Contains(words, "%s") {
			words = fmt.Sprintf(words, strings.TrimPrefix(c.text, w.match))
		}
		if _, taint, ok := strings.Cut(c.text, "{"); ok && w.culprit == "taint" {
			words += " {" + taint
		}
		return words, w.culprit
	}
	return quote(c.text), ""
}

var missingClaim = regexp.MustCompile(`persistentvolumeclaim "([^"]+)" not found`)
