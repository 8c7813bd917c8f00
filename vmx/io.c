// SPDX-License-Identifier: GPL-2.0
/*
 * Port I/O: every access is userspace's.  IN, OUT and, a page at a time, INS
 * and OUTS with and without REP.
 *
 * An output is over for the guest when the exit is told; an input completes
 * at the next KVM_RUN.
 */
#include "vmx/vmx.h"

static void *pio_data(struct vcpu *vcpu)
{
	return (void *)vcpu->run + KVM_PIO_PAGE_OFFSET * PAGE_SIZE;
}

static int tell_io(struct vcpu *vcpu, u64 qualification, u32 count)
{
	struct kvm_run *run = vcpu->run;

	run->exit_reason = KVM_EXIT_IO;
	run->io.direction = qualification & IO_ACCESS_IN ? KVM_EXIT_IO_IN : KVM_EXIT_IO_OUT;
	run->io.size = IO_ACCESS_SIZE(qualification);
	run->io.port = IO_ACCESS_PORT(qualification);
	run->io.count = count;
	run->io.data_offset = KVM_PIO_PAGE_OFFSET * PAGE_SIZE;
	return EXIT_TO_USER;
}

/* AL, AX or EAX; like every 32-bit result, EAX clears what is above it. */
static int complete_in(struct vcpu *vcpu)
{
	u64 *rax = &vcpu->regs[GPR_RAX];
	u32 size = vcpu->vmx->io.size;

	if (!io_is_current(vcpu))
		return ENTER_AGAIN;
	if (size == 4)
		*rax = 0;
	memcpy(rax, pio_data(vcpu), size);
	skip_insn(vcpu);
	return ENTER_AGAIN;
}

static void expect_in(struct vcpu *vcpu, u64 qualification, int (*complete)(struct vcpu *vcpu))
{
	struct io_pending *io = &vcpu->vmx->io;

	io->complete = complete;
	io->rip = vmread(GUEST_RIP);
	io->size = IO_ACCESS_SIZE(qualification);
}

/*
 * A string instruction, as the exit's VMCS fields and the registers describe
 * it: the fields stand until the next entry, registers may be userspace's.
 */
struct string_io {
	struct operand op; /* of all elements */
	unsigned int bits; /* of the address */
	u32 size, count;   /* of one element; how many at once */
	bool in, rep, down;
};

static struct string_io string_read(struct vcpu *vcpu, u64 qualification)
{
	u32 info = vmread(VMX_INSTRUCTION_INFO);
	struct string_io s = {
		.bits = 16u << ((info >> 7) & 3), /* SDM 3C table 28-8 */
		.size = IO_ACCESS_SIZE(qualification),
		.in = qualification & IO_ACCESS_IN,
		.rep = qualification & IO_ACCESS_REP,
		.down = vmread(GUEST_RFLAGS) & X86_EFLAGS_DF,
	};
	u64 index = vcpu->regs[s.in ? GPR_RDI : GPR_RSI];

	s.op.seg = s.in ? INSN_ES : (info >> 15) & 7;
	s.op.offset = index & insn_address_mask(s.bits);
	s.op.write = s.in;
	return s;
}

/*
 * How many elements go at once: what @limit, the counter and the page of the
 * first one leave.  Downwards, and across pages, one.  0: the counter is 0.
 */
static int string_batch(struct vcpu *vcpu, struct string_io *s, u32 limit)
{
	u64 counter = vcpu->regs[GPR_RCX] & insn_address_mask(s->bits);
	gva_t gva;
	int ret;

	s->count = s->rep && !counter ? 0 : 1;
	s->op.size = s->size;
	ret = s->count ? guest_linear(vcpu, &s->op, &gva) : 0;
	if (ret || !s->rep || s->down || !s->count)
		return ret;
	s->count = (PAGE_SIZE - offset_in_page(gva)) / s->size;
	s->count = max_t(u64, min3((u64)s->count, counter, (u64)limit), 1);
	s->op.size = s->count * s->size;
	/* Not beyond the segment's end, nor the address's: then the faulting one is the first. */
	if (s->op.offset + s->op.size - 1 > insn_address_mask(s->bits) ||
	    !guest_can_address(vcpu, &s->op, &gva)) {
		s->count = 1;
		s->op.size = s->size;
	}
	return 0;
}

/* Between the data page and the guest's memory. */
static int string_copy(struct vcpu *vcpu, const struct string_io *s, const struct span *span)
{
	void *data = pio_data(vcpu);
	unsigned int i;
	int ret = 0;

	for (i = 0; i < span->nr && !ret; i++) {
		const struct piece *piece = &span->piece[i];

		if (s->in)
			ret = guest_write(vcpu, piece->gpa, data, piece->len);
		else
			ret = guest_read(vcpu, piece->gpa, data, piece->len);
		data += piece->len;
	}
	return ret ? -EOPNOTSUPP : 0;
}

/* The instruction is over, or, with a count left, starts again with the rest. */
static void string_done(struct vcpu *vcpu, const struct string_io *s)
{
	u64 *index = &vcpu->regs[s->in ? GPR_RDI : GPR_RSI], *rcx = &vcpu->regs[GPR_RCX];
	u64 step = (u64)s->count * s->size;

	*index = insn_advance(*index, s->down ? -step : step, s->bits);
	if (s->rep) {
		*rcx = insn_advance(*rcx, -(u64)s->count, s->bits);
		if (*rcx & insn_address_mask(s->bits))
			return;
	}
	skip_insn(vcpu);
}

static int string_outcome(struct vcpu *vcpu, int ret)
{
	return ret == -EOPNOTSUPP ? mmio_impossible(vcpu) : ENTER_AGAIN;
}

/* Userspace may have changed the counter: no more is taken than it gave, and no more than fits. */
static int complete_ins(struct vcpu *vcpu)
{
	struct string_io s = string_read(vcpu, vmread(EXIT_QUALIFICATION));
	struct span span = {};
	int ret;

	if (!io_is_current(vcpu))
		return ENTER_AGAIN;
	ret = string_batch(vcpu, &s, vcpu->vmx->io.count);
	if (!ret && s.count)
		ret = guest_span(vcpu, &s.op, &span);
	ret = ret ?: string_copy(vcpu, &s, &span);
	if (!ret)
		string_done(vcpu, &s);
	return string_outcome(vcpu, ret);
}

static noinline int string_exit(struct vcpu *vcpu, u64 qualification)
{
	struct string_io s = string_read(vcpu, qualification);
	struct span span = {};
	int ret = string_batch(vcpu, &s, PAGE_SIZE);

	if (!ret && s.count)
		ret = guest_span(vcpu, &s.op, &span);
	if (!ret && !s.in)
		ret = string_copy(vcpu, &s, &span);
	if (ret)
		return string_outcome(vcpu, ret);
	if (!s.in || !s.count)
		string_done(vcpu, &s);
	if (!s.count)
		return ENTER_AGAIN;
	if (s.in) {
		expect_in(vcpu, qualification, complete_ins);
		vcpu->vmx->io.count = s.count;
	}
	return tell_io(vcpu, qualification, s.count);
}

int exit_io(struct vcpu *vcpu)
{
	u64 qualification = vmread(EXIT_QUALIFICATION);

	if (qualification & IO_ACCESS_STRING)
		return string_exit(vcpu, qualification);
	if (qualification & IO_ACCESS_IN) {
		expect_in(vcpu, qualification, complete_in);
	} else {
		/* All of EAX: who reads more of it than the size says reads the guest's own. */
		*(u32 *)pio_data(vcpu) = vcpu->regs[GPR_RAX];
		skip_insn(vcpu);
	}
	return tell_io(vcpu, qualification, 1);
}
