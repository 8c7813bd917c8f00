// SPDX-License-Identifier: GPL-2.0
/*
 * MOVS, STOS and LODS where one side or both are MMIO: one element after the
 * other, as long as they stay in the pages that the first one found and nothing
 * else is due.  Registers are right between any two elements.
 */
#include "compat.h"
#include "vmx/vmx.h"

static u64 counter(const struct vcpu *vcpu, const struct insn *insn)
{
	return vcpu->regs[GPR_RCX] & insn_address_mask(insn->mem.bits);
}

/* One side of an element.  Only the first one's translation is asked for. */
static int side_prepare(struct vcpu *vcpu, const struct operand *op, bool first, struct span *span)
{
	gva_t gva, old = span->gva;
	int ret;

	if (first)
		return guest_span(vcpu, op, span);
	ret = guest_linear(vcpu, op, &gva);
	if (ret)
		return ret;
	if (span->nr != 1 || (gva ^ old) & PAGE_MASK || offset_in_page(gva) + op->size > PAGE_SIZE)
		return -EAGAIN; /* the guest goes on with the next page */
	span->gva = gva;
	span->piece[0].gpa = (span->piece[0].gpa & PAGE_MASK) | offset_in_page(gva);
	return 0;
}

int string_prepare(struct vcpu *vcpu, bool first)
{
	struct emulation *emul = &vcpu->vmx->emul;
	const struct insn *insn = &emul->insn;
	u64 mask = insn_address_mask(insn->mem.bits);
	struct operand from = {
		.seg = insn->mem.seg,
		.offset = vcpu->regs[GPR_RSI] & mask,
		.size = insn->mem_size,
	};
	struct operand to = {
		.seg = INSN_ES,
		.offset = vcpu->regs[GPR_RDI] & mask,
		.size = insn->mem_size,
		.write = true,
	};
	int ret = 0;

	emul->writing = false;
	emul->committed = false;
	emul->at = 0;
	emul->done = 0;
	if (insn->rep && !counter(vcpu, insn))
		return -EAGAIN; /* touches nothing: the CPU's */
	/* Both before the first is read: a fault of the second must not read twice. */
	if (insn->load)
		ret = side_prepare(vcpu, &from, first, &emul->read);
	if (!ret && insn->store)
		ret = side_prepare(vcpu, &to, first, &emul->write);
	if (!ret && mmio_is_over(vcpu))
		ret = -EAGAIN;
	return ret;
}

bool string_advance(struct vcpu *vcpu)
{
	const struct insn *insn = &vcpu->vmx->emul.insn;
	u64 *regs = vcpu->regs, step = insn->mem_size;
	unsigned int bits = insn->mem.bits;

	if (vmread(GUEST_RFLAGS) & X86_EFLAGS_DF)
		step = -step;
	if (insn->load)
		regs[GPR_RSI] = insn_advance(regs[GPR_RSI], step, bits);
	if (insn->store)
		regs[GPR_RDI] = insn_advance(regs[GPR_RDI], step, bits);
	if (!insn->rep)
		return true;
	regs[GPR_RCX] = insn_advance(regs[GPR_RCX], -1, bits);
	return !counter(vcpu, insn);
}

bool string_goes_on(struct vcpu *vcpu)
{
	struct emulation *emul = &vcpu->vmx->emul;

	if (!insn_is_string(&emul->insn) || !emul->insn.rep || vmread(GUEST_RIP) != emul->rip ||
	    !counter(vcpu, &emul->insn))
		return false;
	/* Whatever is looked at before an entry. */
	return !(vmread(GUEST_RFLAGS) & X86_EFLAGS_TF) && !compat_immediate_exit(vcpu->run) &&
	       !signal_pending(current) && !need_resched() && !READ_ONCE(vcpu->pending) &&
	       !vcpu->vmx->event.info && !ring_is_soft_full(&vcpu->ring);
}
