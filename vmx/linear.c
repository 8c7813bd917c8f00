// SPDX-License-Identifier: GPL-2.0
/*
 * Guest memory by segment and offset, and by linear address: the checks that
 * the CPU makes of an access, for accesses that are made on the guest's behalf.
 */
#include "platform/gva.h"
#include "platform/segment.h"
#include "vmx/vmx.h"

/* How often a page table entry may change under our eyes before the guest tries again. */
#define WALK_TRIES 4

static int walk_read(void *vcpu, gpa_t gpa, void *to, size_t len)
{
	int ret = guest_l1_gpa(vcpu, &gpa, 0, NULL);

	return ret ?: guest_read(vcpu, gpa, to, len);
}

static int walk_set(void *vcpu, const struct guest_entry *entry, u32 bits)
{
	struct guest_entry found = *entry;
	int ret = guest_l1_gpa(vcpu, &found.gpa, GVA_WRITE, NULL);

	return ret ?: guest_set_bits(vcpu, &found, bits);
}

static struct gva_walk walk_for(struct vcpu *vcpu, u32 access)
{
	return (struct gva_walk){
		.cr0 = vmx_cr0(vcpu),
		.cr3 = vmx_cr3(vcpu),
		.cr4 = vmx_cr4(vcpu),
		.efer = vcpu->vmx->efer,
		.ac = vmread(GUEST_RFLAGS) & X86_EFLAGS_AC,
		.maxphyaddr = vcpu->cpuid.maxphyaddr,
		.access = access,
		.opaque = vcpu,
		.read = walk_read,
	};
}

u32 guest_fault(struct vcpu *vcpu, gva_t gva, u32 access)
{
	struct gva_walk walk = walk_for(vcpu, access);

	return gva_translate(&walk, gva) == -EFAULT ? walk.error : 0;
}

int guest_translate(struct vcpu *vcpu, gva_t gva, u32 access, gpa_t *gpa)
{
	struct gva_walk walk = walk_for(vcpu, access | (guest_cpl() == 3 ? GVA_USER : 0));
	int tries, ret = -EAGAIN;

	walk.set = walk_set;
	for (tries = 0; ret == -EAGAIN && tries < WALK_TRIES; tries++)
		ret = gva_translate(&walk, gva);
	if (ret == -EFAULT) {
		queue_page_fault(vcpu, gva, walk.error);
		return -EAGAIN;
	}
	*gpa = walk.found;
	if (!ret)
		return guest_l1_gpa(vcpu, gpa, access, &gva);
	return ret == -EIO ? -EOPNOTSUPP : ret;
}

static struct segment read_segment(enum insn_segment seg)
{
	return (struct segment){
		.base = vmread(SEGMENT_FIELD(GUEST_ES_BASE, seg)),
		.limit = vmread(SEGMENT_FIELD(GUEST_ES_LIMIT, seg)),
		.ar = vmread(SEGMENT_FIELD(GUEST_ES_AR_BYTES, seg)),
	};
}

/* Only FS and GS have a base in 64-bit mode, and no segment has a limit. */
static bool linear_64(enum insn_segment seg, u64 offset, u32 size, gva_t *gva)
{
	*gva = offset;
	if (seg == INSN_FS || seg == INSN_GS)
		*gva += vmread(SEGMENT_FIELD(GUEST_ES_BASE, seg));
	return gva_is_canonical(*gva) && gva_is_canonical(*gva + size - 1);
}

bool guest_can_address(struct vcpu *vcpu, const struct operand *op, gva_t *gva)
{
	bool protected = (vmx_cr0(vcpu) & X86_CR0_PE) && !(vmread(GUEST_RFLAGS) & X86_EFLAGS_VM);
	struct segment seg;

	if (vmx_in_64bit(vcpu))
		return linear_64(op->seg, op->offset, op->size, gva);
	seg = read_segment(op->seg);
	*gva = (u32)(seg.base + op->offset);
	return segment_allows(&seg, op->offset, op->size, op->write, protected);
}

int guest_linear(struct vcpu *vcpu, const struct operand *op, gva_t *gva)
{
	if (guest_can_address(vcpu, op, gva))
		return 0;
	queue_exception_error(vcpu, op->seg == INSN_SS ? SS_VECTOR : GP_VECTOR, 0);
	return -EAGAIN;
}

int guest_span(struct vcpu *vcpu, const struct operand *op, struct span *span)
{
	u32 first;
	gva_t gva;
	int ret = guest_linear(vcpu, op, &gva);

	if (ret)
		return ret;
	first = min_t(u32, op->size, PAGE_SIZE - offset_in_page(gva));
	*span = (struct span){ .gva = gva, .nr = 1, .piece[0].len = first };
	ret = guest_translate(vcpu, gva, op->write ? GVA_WRITE : 0, &span->piece[0].gpa);
	if (ret || first == op->size)
		return ret;

	gva = vmx_in_64bit(vcpu) ? gva + first : (u32)(gva + first);
	span->nr = 2;
	span->piece[1].len = op->size - first;
	return guest_translate(vcpu, gva, op->write ? GVA_WRITE : 0, &span->piece[1].gpa);
}
