package probe

import (
	"net/http"
	"regexp"
	"slices"
	"strings"

	"github.com/recoveryd/recoveryd/pkg/detect"
)

// beginning are the words by which servers say that they are not up yet: llama.cpp ("Loading model"),
// Hugging Face ("is currently loading"), Jenkins ("getting ready to work"), Kibana ("is not ready yet"),
// Elasticsearch ("state not recovered / initialized"), Spring and SonarQube ("STARTING"), Redis ("LOADING").
// A plain "not ready" is none of them: it is also what a server says that has lost something.
var beginning = regexp.MustCompile(`(?i)\b(?:starting|initiali[sz]ing|loading|warming|booting|bootstrapping)\b` +
	`|\bstart(?:ing)?[ _-]?up\b|\bwarm(?:ing)?[ _-]?up\b|\bgetting ready\b|\bnot ready yet\b|\bnot yet (?:ready|started|initiali[sz]ed|loaded)\b` +
	`|\bstate not recovered\b|\bmodel\b.{0,60}\b(?:not ready|not loaded)\b`)

// spoilt are words beside which those above speak of something that went wrong: "error loading the model".
var spoilt = regexp.MustCompile(`(?i)\b(?:fail(?:s|ed|ure|ures)?|error(?:s)? (?:while|when|during|in|on|loading|starting|initiali[sz]ing)|could ?n[o']t|can ?not|can't|unable|denied|refused|` +
	`crash(?:ed)?|corrupt(?:ed)?|abort(?:ed)?|timed? ?out|exception|fatal|panic|lost|out of memory)\b`)

// startingWords returns a text in which a server says that it is still starting, cleaned; "" when it does not.
func startingWords(text string) string {
	if text == "" || !beginning.MatchString(text) || spoilt.MatchString(text) {
		return ""
	}
	return clean(text, 120)
}

// startingReply returns the words by which a reply says that the server is still starting; "" when it
// does not. A 503 with Retry-After says so without words (RFC 9110, 15.6.4): the server expects to be well
// by then, and a restart would only begin anew. On a gateway's own page neither is the server's word:
// Varnish sends Retry-After with every backend that it does not reach.
func startingReply(status int, header http.Header, body []byte) string {
	if status < 500 && status != http.StatusTooEarly || gatewayOfPage(body) != "" {
		return ""
	}
	texts := []string{pageWords(body)}
	if doc, err := parseJSON(body); err == nil {
		texts = wordsIn(doc, 0)
	}
	slices.Sort(texts) // the fields of a document have no order
	said := ""
	for _, t := range texts {
		if spoilt.MatchString(t) {
			said = ""
			break
		}
		said = or(said, startingWords(t))
	}
	if after := header.Get("Retry-After"); said == "" && status == http.StatusServiceUnavailable && after != "" {
		said = "Retry-After: " + clean(after, 40)
	}
	return said
}

// payloadStarting returns the words by which a health payload says that the server is still starting. A
// database that it has lost is said, and judged, in its own way.
func payloadStarting(f detect.Facts) string {
	if f.Text(detect.HealthDatabase) == "disconnected" || f.Text(detect.HealthStatus) == "healthy" {
		return ""
	}
	said := startingWords(strings.NewReplacer("_", " ", "-", " ").Replace(f.Text(detect.HealthStatus)))
	if said == "" {
		said = startingWords(f.Text(detect.HealthError))
	}
	return said
}

// wordsIn lists the words of a document, a few levels deep, in no order.
func wordsIn(n node, depth int) (words []string) {
	switch {
	case depth > 4:
	case n.kind == word:
		return []string{n.text}
	case n.kind == object:
		for _, f := range n.fields {
			words = append(words, wordsIn(f, depth+1)...)
		}
	case n.kind == list:
		for _, i := range n.items {
			words = append(words, wordsIn(i, depth+1)...)
		}
	}
	return words
}
