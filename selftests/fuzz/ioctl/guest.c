// SPDX-License-Identifier: GPL-2.0
/*
 * Small random guests. In the emulated machine a guest that spins with IF clear
 * holds the host's interrupts back, so none should: no program clears IF, no IDT
 * has a gate (an exception ends in a triple fault; after an INIT the vectors of
 * real mode lead to a HLT), and what has no program is full of HLT. Where registers
 * may be zeros, IF with them, no program begins: at offset 0 of what is mapped.
 */
#include <string.h>

#include "fuzz.h"

#define PROGRAM_BYTES	128
#define PROGRAM_AT(v)	(((v) + 1) * 0x1000UL)	/* in the code, and before TABLES_AT */
#define STACK_AT	0x9000UL

struct piece {
	unsigned char size;
	unsigned char bytes[7];
};

/* Ends of lines say what each is; the immediates are filled in afterwards. */
static const struct piece pieces[] = {
	{ 2, { 0x0f, 0xa2 } },		/* cpuid */
	{ 1, { 0xee } }, { 1, { 0xef } }, { 1, { 0xec } }, { 1, { 0xed } }, /* in, out */
	{ 2, { 0xe6, 0x10 } }, { 2, { 0xe5, 0x70 } },
	{ 2, { 0xf3, 0x6e } }, { 2, { 0xf3, 0x6c } }, { 1, { 0x6d } },	/* rep outsb, insb */
	{ 2, { 0x89, 0x07 } }, { 2, { 0x88, 0x07 } }, { 2, { 0x8b, 0x06 } }, /* mov [di], [si] */
	{ 3, { 0x0f, 0xb6, 0x06 } }, { 3, { 0x0f, 0xbe, 0x06 } },	/* movzx, movsx */
	{ 2, { 0x01, 0x07 } }, { 2, { 0x21, 0x07 } }, { 2, { 0x31, 0x07 } }, { 2, { 0x39, 0x07 } },
	{ 2, { 0x87, 0x07 } }, { 2, { 0x85, 0x07 } }, { 3, { 0xf0, 0x01, 0x07 } }, /* xchg, test */
	{ 1, { 0xab } }, { 2, { 0xf3, 0xab } }, { 2, { 0xf3, 0xa5 } }, { 1, { 0xa6 } },
	{ 2, { 0x0f, 0x32 } }, { 2, { 0x0f, 0x30 } }, { 2, { 0x0f, 0x31 } }, /* MSRs, rdtsc */
	{ 3, { 0x0f, 0x01, 0xc1 } }, { 3, { 0x0f, 0x01, 0xd9 } },	/* vmcall, vmmcall */
	{ 3, { 0x0f, 0x01, 0xc2 } }, { 3, { 0x0f, 0x01, 0xd1 } },	/* vmlaunch, xsetbv */
	{ 2, { 0x0f, 0x08 } }, { 2, { 0x0f, 0x09 } }, { 2, { 0x0f, 0x06 } }, /* invd, clts */
	{ 3, { 0x0f, 0x20, 0xc0 } }, { 3, { 0x0f, 0x22, 0xc0 } },	/* mov rax, cr0 and back */
	{ 3, { 0x0f, 0x20, 0xd8 } }, { 3, { 0x0f, 0x22, 0xd8 } },	/* cr3 */
	{ 3, { 0x0f, 0x20, 0xe0 } }, { 3, { 0x0f, 0x22, 0xe0 } },	/* cr4 */
	{ 4, { 0x44, 0x0f, 0x20, 0xc0 } }, { 4, { 0x44, 0x0f, 0x22, 0xc0 } }, /* cr8 */
	{ 3, { 0x0f, 0x21, 0xf8 } }, { 3, { 0x0f, 0x23, 0xf8 } },	/* dr7 */
	{ 3, { 0x0f, 0x01, 0x3f } }, { 3, { 0x0f, 0x01, 0x07 } },	/* invlpg, sgdt */
	{ 3, { 0x0f, 0x01, 0xc8 } }, { 3, { 0x0f, 0x01, 0xc9 } },	/* monitor, mwait */
	{ 2, { 0x0f, 0x33 } }, { 2, { 0xf3, 0x90 } }, { 2, { 0x0f, 0x0b } }, /* rdpmc, pause, ud2 */
	{ 5, { 0xbf, 0x00, 0x00, 0x00, 0x01 } }, { 5, { 0xbe, 0x00, 0x00, 0x20, 0x01 } },
	{ 5, { 0xbf, 0x80, 0x03, 0xe0, 0xfe } }, { 5, { 0xbe, 0x20, 0x00, 0xe0, 0xfe } }, /* APIC */
	{ 5, { 0xbf, 0x00, 0x00, 0x00, 0xd0 } },			/* nothing there */
	{ 5, { 0xb9, 0x10, 0x00, 0x00, 0x00 } }, { 5, { 0xb9, 0xe0, 0x06, 0x00, 0x00 } },
	{ 5, { 0xb9, 0x01, 0x4d, 0x56, 0x4b } }, { 5, { 0xb9, 0x00, 0x08, 0x00, 0x00 } }, /* ecx */
	{ 5, { 0xb8, 0x01, 0x00, 0x00, 0x00 } }, { 2, { 0x31, 0xd2 } },	/* eax, edx */
	{ 6, { 0x81, 0xc7, 0x00, 0x10, 0x00, 0x00 } },			/* add $0x1000, %edi */
	{ 2, { 0xe2, 0xf4 } }, { 2, { 0x75, 0xf0 } },			/* loop, jnz */
	{ 1, { 0xf4 } },
};

#define NR_PIECES	(ARRAY_SIZE(pieces))

/*
 * CLI, POPF and IRET; SYSCALL (by its mask), SYSRET and SYSENTER; and the group of LIDT,
 * behind which exceptions might find a gate.
 */
static bool may_clear_if(unsigned char before, unsigned char byte)
{
	static const unsigned char second[] = { 0x01, 0x05, 0x07, 0x34 };

	if (byte == 0xfa || byte == 0x9d || byte == 0xcf)
		return true;
	return before == 0x0f && memchr(second, byte, sizeof(second));
}

static void write_garbage(struct rng *rng, unsigned char *program, unsigned int size)
{
	unsigned char before = 0x90;
	unsigned int i;

	for (i = 0; i < size; i++) {
		program[i] = rng_next(rng);
		if (may_clear_if(before, program[i]))
			program[i] = 0x90;
		before = program[i];
	}
}

static void write_program(struct rng *rng, unsigned char *program, bool may_spin)
{
	const struct piece *piece;
	unsigned int at = 0;

	if (one_in(rng, 5)) {
		write_garbage(rng, program, PROGRAM_BYTES - 2);
	} else {
		while (at + sizeof(piece->bytes) < PROGRAM_BYTES - 2) {
			piece = &pieces[rng_below(rng, NR_PIECES)];
			memcpy(program + at, piece->bytes, piece->size);
			at += piece->size;
		}
		program[at++] = 0xee;
		memset(program + at, 0x90, PROGRAM_BYTES - 2 - at);
	}
	if (may_spin) {
		program[PROGRAM_BYTES - 2] = 0xeb;
		program[PROGRAM_BYTES - 1] = 0xfe;
	} else {
		program[PROGRAM_BYTES - 2] = 0xf4;
		program[PROGRAM_BYTES - 1] = 0xf4;
	}
}

enum guest_mode { REAL, FLAT32, LONG64, MODES };

static struct kvm_segment segment(enum guest_mode mode, bool code, unsigned int ring)
{
	struct kvm_segment seg = {
		.selector = mode == REAL ? 0 : (code ? 8 : 0x10) | ring, .type = code ? 11 : 3,
		.present = 1, .s = 1, .dpl = mode == REAL ? 0 : ring, .g = mode != REAL,
		.limit = mode == REAL ? 0xffff : 0xffffffff,
		.l = mode == LONG64 && code, .db = mode == FLAT32 || (mode == LONG64 && !code),
	};

	if (mode == REAL && code) {
		seg.type = 3;
		seg.base = FUZZ_CODE_GPA;
	}
	return seg;
}

static void set_mode(struct kvm_sregs *s, enum guest_mode mode, unsigned int ring)
{
	struct kvm_segment data = segment(mode, false, ring);

	s->cs = segment(mode, true, ring);
	s->ds = data;
	s->es = data;
	s->fs = data;
	s->gs = data;
	s->ss = data;
	s->tr = (struct kvm_segment){ .type = 11, .present = 1, .limit = 0x67 };
	s->ldt = (struct kvm_segment){ .unusable = 1 };
	s->gdt.limit = 0;
	s->gdt.base = 0;
	s->cr0 = 0x30 | (mode != REAL) | (mode == LONG64 ? 1UL << 31 : 0);
	s->cr3 = FUZZ_CODE_GPA + TABLES_AT;
	s->cr4 = mode == LONG64 ? 0x220 : 0x200;
	s->efer = mode == LONG64 ? 0x500 : 0;
	s->idt.limit = 0;
	s->idt.base = 0;
}

static bool start_mode(struct thread *t, int fd, enum guest_mode mode, unsigned int ring)
{
	struct kvm_sregs *sregs = (void *)t->scratch;

	if (do_ioctl(t, KVM_GET_SREGS, ON_VCPU, fd, (unsigned long)sregs))
		return false;
	set_mode(sregs, mode, ring);
	do_ioctl(t, KVM_SET_SREGS, ON_VCPU, fd, (unsigned long)sregs);
	return true;
}

static void start_regs(struct thread *t, int fd, uint64_t at, enum guest_mode mode)
{
	struct kvm_regs *regs = (void *)t->scratch;

	memset(regs, 0, sizeof(*regs));
	regs->rip = at + (mode == REAL ? 0 : FUZZ_CODE_GPA);
	regs->rflags = 2 | RFLAGS_IF;
	regs->rsp = mode == REAL ? 0x9000 : FUZZ_CODE_GPA + STACK_AT;
	regs->rcx = one_in(&t->rng, 8) ? odd_number(&t->rng) : rng_below(&t->rng, 200);
	regs->rdx = one_in(&t->rng, 2) ? 0x3f8 : odd_number(&t->rng);
	regs->rax = odd_number(&t->rng);
	regs->rdi = FUZZ_DATA_GPA + rng_below(&t->rng, 1024) * PAGE_SIZE;
	regs->rsi = FUZZ_DATA_GPA + rng_below(&t->rng, 1024 * PAGE_SIZE);
	do_ioctl(t, KVM_SET_REGS, ON_VCPU, fd, (unsigned long)regs);
}

void program_start(struct thread *t, struct world *w, int v)
{
	enum guest_mode mode = rng_below(&t->rng, MODES);
	unsigned int ring = mode != REAL && one_in(&t->rng, 2) ? 3 : 0;
	unsigned char program[PROGRAM_BYTES];
	int fd = w->vcpu[v];

	if (fd < 0)
		return;
	write_program(&t->rng, program, one_in(&t->rng, 40));
	memcpy(w->base + CODE_AT + PROGRAM_AT(v), program, sizeof(program));
	if (start_mode(t, fd, mode, ring))
		start_regs(t, fd, PROGRAM_AT(v), mode);
}
