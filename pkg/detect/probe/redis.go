package probe

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/recoveryd/recoveryd/pkg/detect"
)

// Redis checks a Redis (or compatible) server with PING on a new connection.
//
// Two commands of a protocol of text lines need no client library.
type Redis struct {
	addr           string
	user, password string
	timeout        time.Duration
	proc           procfs

	mu       sync.Mutex
	answered string    // the run of the unit that has answered anything but that it loads
	loading  string    // the run that last said that it loads
	said     time.Time // when it did
	words    string    // its words
}

var _ Witness = (*Redis)(nil)

// RedisConfig says where and how to ask.
type RedisConfig struct {
	Addr     string // host:port
	User     string // for servers with ACLs; needs Password
	Password Secret // AUTH is sent only when set
	Timeout  time.Duration
}

// NewRedis makes the witness.
func NewRedis(c RedisConfig) (*Redis, error) {
	if err := checkAddr(c.Addr); err != nil {
		return nil, err
	}
	if c.User != "" && c.Password == "" {
		return nil, errors.New("a Redis user needs a password")
	}
	return &Redis{addr: c.Addr, user: c.User, password: string(c.Password), timeout: orTimeout(c.Timeout)}, nil
}

// Name is "redis".
func (r *Redis) Name() string { return "redis" }

// Leads names the fact that says whether it could look.
func (r *Redis) Leads() string { return detect.PlainOutcome }

// loadsOn is how long a server may be silent after its start, or after it said that it loads its data, and
// still be taken for one that does: it accepts from the beginning, answers between two pieces of its dump
// only, and one piece, a single big key, may take minutes.
const loadsOn = 10 * time.Minute

// Look sends AUTH when a password is configured, and PING.
func (r *Redis) Look(ctx context.Context, unit detect.Facts) detect.Facts {
	work := r.proc.begin(unit)
	f := r.look(ctx)
	if f.Text(detect.PlainOutcome) == plainTimeout {
		work.end(f)
	}
	r.remember(f, unit, time.Now())
	return f
}

// remember keeps what a run has said last, and takes the silence of one that loads its data for that.
func (r *Redis) remember(f, unit detect.Facts, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	run := unit.Text(detect.WorkloadRun)
	out := f.Text(detect.PlainOutcome)
	switch out {
	case plainStarting:
		r.loading, r.said, r.words = run, now, f.Text(detect.PlainError)
	case plainOK, plainError, plainUnknown:
		r.loading, r.answered = "", run
	}
	if out != plainTimeout || run == "" || f.Text(detect.SocketConnect) == "timeout" {
		return
	}
	since, started := unit.Num(detect.WorkloadSince)
	age := now.Sub(time.UnixMicro(int64(since * 1e6)))
	why := ""
	switch {
	case run == r.loading && now.Sub(r.said) < loadsOn:
		why = fmt.Sprintf("%v ago it said %s", now.Sub(r.said).Round(time.Second), r.words)
	case run != r.answered && run != r.loading && started && age >= 0 && age < loadsOn:
		why = fmt.Sprintf("its process is %v old and has not answered yet: it may still load its data", age.Round(time.Second))
	}
	if why != "" {
		f[detect.PlainOutcome], f[detect.PlainError] = detect.Word(plainStarting), detect.Word(clean(fmt.Sprintf("no answer within %v; %s", r.timeout, why), maxSentence))
	}
}

func (r *Redis) look(ctx context.Context) detect.Facts {
	conn, judge, err := dial(ctx, r.addr, r.timeout)
	if err != nil {
		return plainFailure(err)
	}
	defer conn.Close() //nolint:errcheck // nothing depends on it
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	heard := &overheard{Conn: conn}
	answer, toLogin, err := r.ping(heard)
	if who := heard.firstWords(); who != "" && !strings.HasPrefix(who, "Redis") {
		return plainFacts(plainError, "what answers is no Redis, but "+who)
	}
	switch {
	case err != nil && errors.Is(ctx.Err(), context.Canceled):
		return plainFailure(ctx.Err())
	case err != nil:
		var part partialLine
		if errors.As(err, &part) {
			return plainFacts(plainError, "what answers is no Redis, but "+strconv.Quote(clean(string(part), 60)))
		}
		return plainFailure(judge(err))
	case answer == "+PONG":
		return plainFacts(plainOK, "")
	}
	said := strconv.Quote(clean(answer, 100))
	// An error names its kind first: -NOAUTH, -LOADING, -MISCONF, -BUSY.
	switch kind, text, _ := strings.Cut(strings.TrimPrefix(answer, "-"), " "); kind {
	case "NOAUTH", "WRONGPASS", "NOPERM", "DENIED": // DENIED: protected mode, which serves this host only
		return plainFacts(plainUnknown, "the server answers and refuses our login: "+said)
	case "LOADING", "MASTERDOWN", "BUSY": // it loads its data, waits for its master, runs a script: a restart loses that
		return plainFacts(plainStarting, said)
	case "ERR":
		// Whoever is no more than the limit of clients hears this instead of the answer to AUTH.
		if toLogin && !strings.HasPrefix(text, "max number of clients") {
			return plainFacts(plainUnknown, "the server answers, and AUTH is not what it expects: "+said)
		}
	}
	return plainFacts(plainError, "PING was answered with "+said)
}

// ping returns the first answer that is not +OK to AUTH, without the line end, and whether it is the one to AUTH.
func (r *Redis) ping(conn net.Conn) (answer string, toLogin bool, err error) {
	var b strings.Builder
	auth := r.password != ""
	switch {
	case auth && r.user != "":
		command(&b, "AUTH", r.user, r.password)
	case auth:
		command(&b, "AUTH", r.password)
	}
	command(&b, "PING")
	if _, err := io.WriteString(conn, b.String()); err != nil {
		return "", false, err
	}
	in := bufio.NewReaderSize(conn, 4<<10) // one line; Redis 7 needs a thousand bytes to explain its protected mode
	if auth {
		if line, err := readLine(in); err != nil || line != "+OK" {
			return line, true, err
		}
	}
	answer, err = readLine(in)
	return answer, false, err
}

// command writes one command as an array of strings.
func command(b *strings.Builder, words ...string) {
	fmt.Fprintf(b, "*%d\r\n", len(words))
	for _, w := range words {
		fmt.Fprintf(b, "$%d\r\n%s\r\n", len(w), w)
	}
}

// partialLine is the beginning of a line that has no end: whoever sent it is not silent.
type partialLine string

func (partialLine) Error() string { return "a line without end" }

func readLine(in *bufio.Reader) (string, error) {
	line, err := in.ReadSlice('\n')
	if errors.Is(err, bufio.ErrBufferFull) {
		return "", protocolError("a line without end")
	}
	if err != nil {
		if len(line) > 0 && isCut(err) {
			return "", partialLine(line)
		}
		return "", err
	}
	return strings.TrimRight(string(line), "\r\n"), nil
}
