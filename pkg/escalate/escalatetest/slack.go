package escalatetest

import (
	"encoding/json"
	"fmt"
	"maps"
	"mime"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode/utf8"
)

// What the fake workspace knows unless it is told otherwise.
const (
	SlackToken       = "xoxb-fake-0123456789-abcdefghijkl"
	SlackChannel     = "C0INCIDENTS"
	SlackChannelName = "incidents"
	// SlackOtherChannel is where people move to when the first channel is archived.
	SlackOtherChannel = "C0OTHERROOM"
	// SlackHookPath is the path of the incoming webhook; as in Slack, it is the whole secret.
	SlackHookPath = "/services/T0FAKE/B0FAKE/hooksecrethooksecrethook"
)

// SlackOptions says what the fake workspace looks like.
type SlackOptions struct {
	// PerSecond is how many messages a channel takes in a second; 0 means no limit. Slack
	// documents about 1, with short bursts tolerated.
	PerSecond int
	// Log receives the entries; nil makes a new one.
	Log *Log
}

// Message is one message in the fake workspace, in its current state.
type Message struct {
	Channel   string
	TS        string
	ThreadTS  string // ts of the parent; "" for a message of its own
	Text      string
	Blocks    string // JSON as received
	Edits     int
	Broadcast bool
	Deleted   bool
}

// Slack is a fake of chat.postMessage, chat.update and auth.test under /api/, and of one
// incoming webhook at [SlackHookPath].
//
// It enforces the documented contract: a refusal is HTTP 200 with ok:false; chat.update wants
// the channel's id and takes 4,000 characters of text; blocks have their limits (50 blocks,
// section 3,000 characters, header 150, about 13,200 in all); a reply to a deleted parent is
// posted un-threaded, or refused where retention removed it ([Slack.Retire]); a webhook answers "ok"
// and no ts. There is a second channel, [SlackOtherChannel].
type Slack struct {
	vendor
	mu       sync.Mutex
	limit    int
	rate     map[string]*window
	messages []*Message
	closed   string // why the first channel takes nothing: is_archived, not_in_channel, channel_not_found; "": it does
	frozen   bool   // edits are refused: edit_window_closed
	retired  bool   // replies to a parent that is gone are refused: thread_not_found
	seq      int
}

// NewSlack makes a fake workspace with one channel. It is an http.Handler; see [Serve].
func NewSlack(o SlackOptions) *Slack {
	s := &Slack{vendor: newVendor("slack", o.Log), limit: o.PerSecond, rate: map[string]*window{}}
	s.handle = s.receive
	return s
}

// Messages returns the messages in order of posting, in their current state.
func (s *Slack) Messages() []Message {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []Message
	for _, m := range s.messages {
		all = append(all, *m)
	}
	return all
}

// Delete does what an administrator may do to a message.
func (s *Slack) Delete(ts string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, m := range s.messages {
		if m.TS == ts {
			m.Deleted = true
		}
	}
}

// Archive archives the channel, or takes it out of the archive.
func (s *Slack) Archive(on bool) {
	if on {
		s.Close("is_archived")
		return
	}
	s.Close("")
}

// Close makes the first channel refuse everything by a code: is_archived, not_in_channel or
// channel_not_found; "" opens it again. The other channel goes on.
func (s *Slack) Close(code string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = code
}

// Retire makes the workspace refuse replies to a message that is gone, as where retention removed it.
func (s *Slack) Retire(on bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.retired = on
}

// CloseEdits makes the workspace refuse edits, as its settings may.
func (s *Slack) CloseEdits(on bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.frozen = on
}

// mention matches what notifies people: <!here>, <!channel>, <@U1>, <!subteam^S1>.
var mention = regexp.MustCompile(`<(!|@)[^>]+>`)

// mentions reports whether a message notifies people: by its text, or by a block of the type
// mrkdwn; in a plain_text block the characters stand for themselves.
func mentions(text, blocks string) bool {
	var list any
	if json.Unmarshal([]byte(blocks), &list) != nil {
		list = nil
	}
	var walk func(any)
	walk = func(v any) {
		switch v := v.(type) {
		case []any:
			for _, e := range v {
				walk(e)
			}
		case map[string]any:
			if s, ok := v["text"].(string); ok && v["type"] == "mrkdwn" {
				text += "\n" + s
			}
			for _, e := range v {
				walk(e)
			}
		}
	}
	walk(list)
	return mention.MatchString(text)
}

func slackReply(v any) answer {
	b, _ := json.Marshal(v)
	return answer{status: http.StatusOK, body: string(b), header: map[string]string{"Content-Type": "application/json; charset=utf-8"}}
}

func slackRefuse(code, method string) answer {
	a := slackReply(map[string]any{"ok": false, "error": code})
	a.verdict, a.why, a.kind = Rejected, code, method
	return a
}

func (s *Slack) receive(r *http.Request, body []byte) answer {
	if strings.HasPrefix(r.URL.Path, "/services/") {
		return s.hook(r, body)
	}
	method, ok := strings.CutPrefix(r.URL.Path, "/api/")
	if !ok {
		return answer{status: http.StatusNotFound, verdict: Rejected, why: "no such path"}
	}
	form, code := slackForm(r, body)
	if code != "" {
		return slackRefuse(code, method)
	}
	token := form.Get("token")
	if token == "" {
		token, _ = strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	}
	switch token {
	case SlackToken:
	case "":
		return slackRefuse("not_authed", method)
	default:
		return slackRefuse("invalid_auth", method)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch method {
	case "auth.test":
		a := slackReply(map[string]any{"ok": true, "team": "fake", "user": "recoveryd"})
		a.verdict, a.kind = Accepted, method
		return a
	case "chat.postMessage", "chat.update":
	default:
		return slackRefuse("unknown_method", method)
	}
	return s.chat(method, form)
}

// slackForm reads a form or a JSON body into the same shape.
func slackForm(r *http.Request, body []byte) (url.Values, string) {
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil {
		return nil, "missing_post_type"
	}
	switch kind {
	case "application/x-www-form-urlencoded":
		form, err := url.ParseQuery(string(body))
		if err != nil {
			return nil, "invalid_form_data"
		}
		return form, ""
	case "application/json":
		var m map[string]any
		if err := json.Unmarshal(body, &m); err != nil {
			return nil, "invalid_json"
		}
		form := url.Values{}
		for _, k := range slices.Sorted(maps.Keys(m)) {
			if str, ok := m[k].(string); ok {
				form.Set(k, str)
				continue
			}
			b, _ := json.Marshal(m[k])
			form.Set(k, string(b))
		}
		return form, ""
	}
	return nil, "invalid_post_type"
}

// chat runs chat.postMessage and chat.update. The caller holds mu.
func (s *Slack) chat(method string, form url.Values) answer {
	update := method == "chat.update"
	channel := form.Get("channel")
	byName := strings.TrimPrefix(channel, "#") == SlackChannelName
	switch {
	case channel == SlackOtherChannel:
	case channel != SlackChannel && (!byName || update): // update wants the id
		return slackRefuse("channel_not_found", method)
	case s.closed == "is_archived" && update:
		return slackRefuse("is_inactive", method)
	case s.closed != "":
		return slackRefuse(s.closed, method)
	default:
		channel = SlackChannel
	}
	text, blocks := form.Get("text"), form.Get("blocks")
	if code := slackContent(text, blocks, update); code != "" {
		return slackRefuse(code, method)
	}
	if !update { // chat.update has a limit of its own, far above what one incident needs
		rate := s.rate[channel]
		if rate == nil {
			rate = &window{span: time.Second, limit: s.limit}
			s.rate[channel] = rate
		}
		if wait, ok := rate.take(s.now()); !ok {
			a := slackRefuse("ratelimited", method)
			a.status, a.header["Retry-After"] = http.StatusTooManyRequests, retryAfter(wait)
			return a
		}
	}
	var m *Message
	why := ""
	if update {
		m = s.find(form.Get("ts"))
		switch {
		case m == nil || m.Channel != channel:
			return slackRefuse("message_not_found", method)
		case s.frozen:
			return slackRefuse("edit_window_closed", method)
		}
		m.Edits++
		why = "edited"
	} else {
		parent := s.find(form.Get("thread_ts"))
		if parent == nil && s.retired && form.Get("thread_ts") != "" {
			return slackRefuse("thread_not_found", method)
		}
		s.seq++
		m = &Message{Channel: channel, TS: fmt.Sprintf("%d.%06d", s.now().Unix(), s.seq)}
		why = "posted"
		if parent != nil {
			m.ThreadTS, why = parent.TS, "replied"
			m.Broadcast = form.Get("reply_broadcast") == "true"
		}
		s.messages = append(s.messages, m)
	}
	m.Text = text
	if blocks != "" {
		m.Blocks = blocks // without blocks an edit keeps the previous ones
	}
	message := map[string]any{"text": text, "ts": m.TS, "type": "message"}
	if m.ThreadTS != "" {
		message["thread_ts"] = m.ThreadTS
	}
	a := slackReply(map[string]any{"ok": true, "channel": channel, "ts": m.TS, "text": text, "message": message})
	a.verdict, a.why, a.key, a.kind = Accepted, why, m.TS, method
	a.pages = !update && mentions(text, blocks)
	return a
}

func (s *Slack) find(ts string) *Message {
	for _, m := range s.messages {
		if m.TS == ts && !m.Deleted {
			return m
		}
	}
	return nil
}

// hook is the incoming webhook: plain words and HTTP statuses instead of ok:false.
func (s *Slack) hook(r *http.Request, body []byte) answer {
	refuse := func(status int, code string) answer {
		return answer{status: status, body: code, verdict: Rejected, why: code, kind: "webhook"}
	}
	if r.URL.Path != SlackHookPath {
		return refuse(http.StatusForbidden, "invalid_token")
	}
	var in struct {
		Text   string          `json:"text"`
		Blocks json.RawMessage `json:"blocks"`
	}
	if err := json.Unmarshal(body, &in); err != nil {
		return refuse(http.StatusBadRequest, "invalid_payload")
	}
	if code := slackContent(in.Text, string(in.Blocks), false); code != "" {
		return refuse(http.StatusBadRequest, code)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed == "is_archived" {
		return refuse(http.StatusGone, "channel_is_archived")
	}
	rate := s.rate[SlackChannel]
	if rate == nil {
		rate = &window{span: time.Second, limit: s.limit}
		s.rate[SlackChannel] = rate
	}
	if wait, ok := rate.take(s.now()); !ok {
		a := refuse(http.StatusTooManyRequests, "rate_limited")
		a.header = map[string]string{"Retry-After": retryAfter(wait)}
		return a
	}
	s.seq++
	m := &Message{Channel: SlackChannel, TS: fmt.Sprintf("%d.%06d", s.now().Unix(), s.seq), Text: in.Text, Blocks: string(in.Blocks)}
	s.messages = append(s.messages, m)
	return answer{status: http.StatusOK, body: "ok", verdict: Accepted, why: "posted", kind: "webhook",
		pages: mentions(in.Text, string(in.Blocks))}
}

// slackContent checks text and blocks against the documented limits and returns Slack's code.
func slackContent(text, blocks string, update bool) string {
	if text == "" && blocks == "" {
		return "no_text"
	}
	if n := utf8.RuneCountInString(text); n > 40_000 || update && n > 4000 {
		return "msg_too_long"
	}
	if !utf8.ValidString(text) || !utf8.ValidString(blocks) {
		return "invalid_charset"
	}
	if blocks == "" || blocks == "null" {
		return ""
	}
	type text3 struct {
		Type string `json:"type"`
		Text string `json:"text"`
	}
	var list []struct {
		Type     string  `json:"type"`
		Text     *text3  `json:"text"`
		Fields   []text3 `json:"fields"`
		Elements []text3 `json:"elements"`
	}
	if err := json.Unmarshal([]byte(blocks), &list); err != nil {
		return "invalid_blocks_format"
	}
	if len(list) > 50 {
		return "invalid_blocks"
	}
	total := 0
	// Slack counts as JavaScript does: a character outside the BMP is two.
	bad := func(t text3, limit int) bool {
		n := 0
		for _, r := range t.Text {
			if n++; r > 0xFFFF {
				n++
			}
		}
		total += n
		return n == 0 || n > limit || t.Type != "mrkdwn" && t.Type != "plain_text"
	}
	for _, b := range list {
		switch b.Type {
		case "header":
			if b.Text == nil || b.Text.Type != "plain_text" || bad(*b.Text, 150) {
				return "invalid_blocks"
			}
		case "section":
			if b.Text == nil && len(b.Fields) == 0 || len(b.Fields) > 10 || b.Text != nil && bad(*b.Text, 3000) {
				return "invalid_blocks"
			}
			for _, f := range b.Fields {
				if bad(f, 2000) {
					return "invalid_blocks"
				}
			}
		case "context":
			if len(b.Elements) == 0 || len(b.Elements) > 10 {
				return "invalid_blocks"
			}
			for _, e := range b.Elements {
				if bad(e, 3000) {
					return "invalid_blocks"
				}
			}
		case "divider":
		default:
			return "invalid_blocks"
		}
	}
	if total > 13_200 {
		return "msg_blocks_too_long"
	}
	return ""
}
