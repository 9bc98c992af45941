package residency

// depth is how much stack is made room for, in bytes: the stack that it makes, of 16 KiB or more,
// holds a look with the decoding of a reply, and most of a statement of the journal's database.
const depth = 12 << 10

// GrowStack makes room on the stack of the calling goroutine for deep work. A goroutine that is new, or
// has waited for long, begins with a small stack. It would grow step by step under deep calls, and each
// step reads the tables of every function in between: that cost a twentieth of idling, and a MiB or two
// of tables in memory.
//
//go:noinline
func GrowStack() {
	var room [depth]byte
	touch(&room)
}

//go:noinline
func touch(room *[depth]byte) { room[0] = 1 }
