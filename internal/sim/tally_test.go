package sim

import (
	"fmt"
	"sort"
	"testing"
)

func TestTally(t *testing.T) {
	if *worlds == 0 {
		t.Skip()
	}
	broken, _ := live(*worlds, *first, Options{Days: *days}, nil)
	by := map[string][]Report{}
	for _, r := range broken {
		by[r.Violation.Invariant] = append(by[r.Violation.Invariant], r)
	}
	var ks []string
	for k := range by {
		ks = append(ks, k)
	}
	sort.Slice(ks, func(a, b int) bool { return len(by[ks[a]]) > len(by[ks[b]]) })
	for _, k := range ks {
		fmt.Println(len(by[k]), k)
		for i, r := range by[k] {
			if i < 4 {
				fmt.Println("     ", r.Seed, r.Violation)
			}
		}
	}
}
