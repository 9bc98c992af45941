package api_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/yaml"
	"pgregory.net/rapid"

	"github.com/recoveryd/recoveryd/pkg/platform/kubernetes/api"
)

// both are the types of ours and of Kubernetes for a kind.
var both = map[string]struct{ ours, theirs any }{
	"Deployment":              {&api.Deployment{}, &appsv1.Deployment{}},
	"ReplicaSet":              {&api.ReplicaSet{}, &appsv1.ReplicaSet{}},
	"StatefulSet":             {&api.StatefulSet{}, &appsv1.StatefulSet{}},
	"DaemonSet":               {&api.DaemonSet{}, &appsv1.DaemonSet{}},
	"Job":                     {&api.Job{}, &batchv1.Job{}},
	"Pod":                     {&api.Pod{}, &corev1.Pod{}},
	"Service":                 {&api.Service{}, &corev1.Service{}},
	"Node":                    {&api.Node{}, &corev1.Node{}},
	"Namespace":               {&api.Namespace{}, &corev1.Namespace{}},
	"ResourceQuota":           {&api.ResourceQuota{}, &corev1.ResourceQuota{}},
	"EndpointSlice":           {&api.EndpointSlice{}, &discoveryv1.EndpointSlice{}},
	"PodDisruptionBudget":     {&api.DisruptionBudget{}, &policyv1.PodDisruptionBudget{}},
	"NetworkPolicy":           {&api.NetworkPolicy{}, &networkingv1.NetworkPolicy{}},
	"HorizontalPodAutoscaler": {&api.Autoscaler{}, &autoscalingv2.HorizontalPodAutoscaler{}},
}

// Every recorded object is read by our structs and by Kubernetes' own: what ours hold is the same, field by field.
func TestOurStructsReadWhatKubernetesReads(t *testing.T) {
	seen := map[string]int{}
	for _, pattern := range []string{"../testdata/*.yaml", "../testdata/corpus/*.yaml"} {
		files, err := filepath.Glob(pattern)
		require.NoError(t, err)
		for _, name := range files {
			text, err := os.ReadFile(name)
			require.NoError(t, err)
			docs := yaml.NewYAMLOrJSONDecoder(bytes.NewReader(text), 4096)
			for {
				var doc json.RawMessage
				err := docs.Decode(&doc)
				if errors.Is(err, io.EOF) {
					break
				}
				require.NoError(t, err)
				var head struct{ Kind string }
				require.NoError(t, json.Unmarshal(doc, &head))
				pair, ok := both[head.Kind]
				if !ok {
					continue
				}
				seen[head.Kind]++
				ours, theirs := through(t, doc, pair.ours), through(t, doc, pair.theirs)
				require.Empty(t, within(ours, theirs, ""), "%s: %s", name, doc)
			}
		}
	}
	for kind := range both {
		if kind != "Namespace" {
			require.Positive(t, seen[kind], "no recorded object of kind %s: its fields are not tested", kind)
		}
	}
}

// through decodes a document into a new value of the type and encodes it again.
func through(t *testing.T, doc json.RawMessage, like any) any {
	t.Helper()
	v := reflect.New(reflect.TypeOf(like).Elem()).Interface()
	require.NoError(t, json.Unmarshal(doc, v))
	text, err := json.Marshal(v)
	require.NoError(t, err)
	var out any
	require.NoError(t, json.Unmarshal(text, &out))
	return out
}

// within names the first place at which ours says something else than theirs; "" when there is none. What is zero may be
// left out on either side.
func within(ours, theirs any, at string) string {
	switch o := ours.(type) {
	case map[string]any:
		their, _ := theirs.(map[string]any)
		for key, value := range o {
			if bad := within(value, their[key], at+"."+key); bad != "" {
				return bad
			}
		}
		return ""
	case []any:
		their, _ := theirs.([]any)
		if len(o) != len(their) {
			return fmt.Sprintf("%s: %d items, and %d in Kubernetes' own", at, len(o), len(their))
		}
		for i := range o {
			if bad := within(o[i], their[i], fmt.Sprintf("%s[%d]", at, i)); bad != "" {
				return bad
			}
		}
		return ""
	}
	zero := ours == nil || ours == "" || ours == false || ours == float64(0)
	if reflect.DeepEqual(ours, theirs) || zero && theirs == nil {
		return ""
	}
	return fmt.Sprintf("%s: %v, and %v in Kubernetes' own", at, ours, theirs)
}

// Every field of ours is one of Kubernetes' own by its name in JSON, so that a slip of the pen is found also where no
// recorded object has it.
func TestEveryFieldIsKubernetesOwn(t *testing.T) {
	for kind, pair := range both {
		t.Run(kind, func(t *testing.T) { sameFields(t, reflect.TypeOf(pair.ours), reflect.TypeOf(pair.theirs), kind) })
	}
}

func sameFields(t *testing.T, ours, theirs reflect.Type, at string) {
	for ours.Kind() == reflect.Pointer {
		ours = ours.Elem()
	}
	for theirs.Kind() == reflect.Pointer {
		theirs = theirs.Elem()
	}
	if ours.Kind() == reflect.Slice && theirs.Kind() == reflect.Slice || ours.Kind() == reflect.Map && theirs.Kind() == reflect.Map {
		sameFields(t, ours.Elem(), theirs.Elem(), at+"[]")
		return
	}
	if ours.Kind() != reflect.Struct || ours.PkgPath() != "" && ours.PkgPath() != "github.com/recoveryd/recoveryd/pkg/platform/kubernetes/api" || ours.Name() == "IntOrString" {
		return // a time, a quantity, a number
	}
	names := jsonFields(theirs)
	for i := range ours.NumField() {
		name := jsonName(ours.Field(i))
		their, ok := names[name]
		require.True(t, ok, "%s has no field %q", at, name)
		sameFields(t, ours.Field(i).Type, their, at+"."+name)
	}
}

func jsonFields(of reflect.Type) map[string]reflect.Type {
	names := map[string]reflect.Type{}
	for i := range of.NumField() {
		f := of.Field(i)
		if f.Anonymous && jsonName(f) == "" {
			for name, kind := range jsonFields(f.Type) {
				names[name] = kind
			}
			continue
		}
		names[jsonName(f)] = f.Type
	}
	return names
}

func jsonName(f reflect.StructField) string {
	name, _, _ := bytes.Cut([]byte(f.Tag.Get("json")), []byte(","))
	return string(name)
}

// A selector means what it means in Kubernetes, for all labels.
func TestASelectorMeansWhatItMeansInKubernetes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		key, value := rapid.SampledFrom([]string{"app", "tier", "zone"}), rapid.SampledFrom([]string{"web", "db", ""})
		ours := &api.Selector{MatchLabels: rapid.MapOfN(key, value, 0, 2).Draw(t, "match labels")}
		theirs := &metav1.LabelSelector{MatchLabels: ours.MatchLabels}
		for range rapid.IntRange(0, 2).Draw(t, "expressions") {
			r := api.Requirement{Key: key.Draw(t, "key"), Operator: rapid.SampledFrom([]string{"In", "NotIn", "Exists", "DoesNotExist"}).Draw(t, "operator")}
			if r.Operator == "In" || r.Operator == "NotIn" {
				r.Values = rapid.SliceOfN(value, 1, 3).Draw(t, "values")
			}
			ours.MatchExpressions = append(ours.MatchExpressions, r)
			theirs.MatchExpressions = append(theirs.MatchExpressions, metav1.LabelSelectorRequirement{Key: r.Key, Operator: metav1.LabelSelectorOperator(r.Operator), Values: r.Values})
		}
		set := rapid.MapOfN(key, value, 0, 3).Draw(t, "labels")
		selector, err := metav1.LabelSelectorAsSelector(theirs)
		if err != nil {
			t.Fatal(err)
		}
		if got, want := ours.Matches(set), selector.Matches(labels.Set(set)); got != want {
			t.Fatalf("%v of %+v: %v, and %v in Kubernetes' own", set, ours, got, want)
		}
	})
	require.False(t, (*api.Selector)(nil).Matches(map[string]string{"app": "web"}), "no selector matches nothing")
	require.False(t, (&api.Selector{MatchExpressions: []api.Requirement{{Key: "app", Operator: "Like"}}}).Matches(map[string]string{"app": "web"}))
}
