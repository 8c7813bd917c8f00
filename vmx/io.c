// SPDX-License-Identifier: GPL-2.0
/*
 * Port I/O: every access is userspace's.  IN, OUT and, a page at a time, INS
 * and OUTS with and without REP.
 *
 * An output is over for the guest when the exit is told; an input completes
 * at the next KVM_RUN.
 */
#include "vmx/vmx.h"

/* A string instruction: its memory operand and how much of it is done at once. */
struct string_io {
	gpa_t gpa;
	u64 mask; /* of the address size, for the counter and the index registers */
	u64 done; /* elements */
	bool rep, down;
};

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
	io->count = 1;
}

/* One bit of the address-size field a doubling: 16, 32, 64 bits (SDM 3C table 28-8). */
static u64 address_mask(void)
{
	unsigned int bits = 16u << ((vmread(VMX_INSTRUCTION_INFO) >> 7) & 3);

	return bits >= 64 ? ~0ull : (1ull << bits) - 1;
}

static u64 masked_add(u64 old, u64 add, u64 mask)
{
	u64 sum = (old & mask) + add;

	/* 32-bit results clear the upper half, 16-bit ones leave the rest alone. */
	return mask == U32_MAX ? (u32)sum : (old & ~mask) | (sum & mask);
}

/* How many elements this exit does: what is left of the page. 0, or -EFAULT: not mapped. */
static int string_begin(struct vcpu *vcpu, u64 qualification, struct string_io *s)
{
	u32 size = IO_ACCESS_SIZE(qualification);
	gva_t gva = vmread(GUEST_LINEAR_ADDRESS);
	u64 left;

	s->mask = address_mask();
	s->rep = qualification & IO_ACCESS_REP;
	s->down = vmread(GUEST_RFLAGS) & X86_EFLAGS_DF;
	s->done = 1;
	if (s->rep && !s->down) {
		left = (PAGE_SIZE - offset_in_page(gva)) / size;
		s->done = min_t(u64, vcpu->regs[GPR_RCX] & s->mask, left);
	}
	return guest_translate(vcpu, gva, &s->gpa);
}

/* The instruction is over, or, with a count left, starts again with the rest. */
static void string_advance(struct vcpu *vcpu, const struct string_io *s, u32 size,
			   enum vcpu_reg index)
{
	u64 step = s->done * size;

	vcpu->regs[index] = masked_add(vcpu->regs[index], s->down ? -step : step, s->mask);
	if (s->rep) {
		vcpu->regs[GPR_RCX] = masked_add(vcpu->regs[GPR_RCX], -s->done, s->mask);
		if (vcpu->regs[GPR_RCX] & s->mask)
			return;
	}
	skip_insn(vcpu);
}

/* What the exit's VMCS fields say stands: nothing was entered since. */
static int complete_ins(struct vcpu *vcpu)
{
	u64 qualification = vmread(EXIT_QUALIFICATION);
	struct io_pending *io = &vcpu->vmx->io;
	struct string_io s;

	if (!io_is_current(vcpu))
		return ENTER_AGAIN;
	s = (struct string_io){
		.mask = address_mask(),
		.done = io->count,
		.rep = qualification & IO_ACCESS_REP,
		.down = vmread(GUEST_RFLAGS) & X86_EFLAGS_DF,
	};
	if (guest_write(vcpu, io->gpa, pio_data(vcpu), io->count * io->size))
		return mmio_impossible(vcpu);
	string_advance(vcpu, &s, io->size, GPR_RDI);
	return ENTER_AGAIN;
}

static int string_exit(struct vcpu *vcpu, u64 qualification)
{
	u32 size = IO_ACCESS_SIZE(qualification);
	struct string_io s;

	if ((qualification & IO_ACCESS_REP) && !(vcpu->regs[GPR_RCX] & address_mask())) {
		skip_insn(vcpu);
		return ENTER_AGAIN;
	}
	if (offset_in_page(vmread(GUEST_LINEAR_ADDRESS)) + size > PAGE_SIZE)
		return mmio_impossible(vcpu); /* nobody crosses a page by one port access */
	if (string_begin(vcpu, qualification, &s)) {
		queue_page_fault(vcpu, vmread(GUEST_LINEAR_ADDRESS), qualification & IO_ACCESS_IN);
		return ENTER_AGAIN;
	}
	if (qualification & IO_ACCESS_IN) {
		expect_in(vcpu, qualification, complete_ins);
		vcpu->vmx->io.count = s.done;
		vcpu->vmx->io.gpa = s.gpa;
		return tell_io(vcpu, qualification, s.done);
	}
	if (guest_read(vcpu, s.gpa, pio_data(vcpu), s.done * size))
		return mmio_impossible(vcpu);
	string_advance(vcpu, &s, size, GPR_RSI);
	return tell_io(vcpu, qualification, s.done);
}

int exit_io(struct vcpu *vcpu)
{
	u64 qualification = vmread(EXIT_QUALIFICATION);

	vcpu->stats.exits_io++;
	if (qualification & IO_ACCESS_STRING)
		return string_exit(vcpu, qualification);
	if (qualification & IO_ACCESS_IN) {
		expect_in(vcpu, qualification, complete_in);
	} else {
		memcpy(pio_data(vcpu), &vcpu->regs[GPR_RAX], IO_ACCESS_SIZE(qualification));
		skip_insn(vcpu);
	}
	return tell_io(vcpu, qualification, 1);
}
