// SPDX-License-Identifier: GPL-2.0
/*
 * The mirror: a shadow VMCS (SDM 3C 25.10) in which the CPU finds what L1 reads most of its
 * current VMCS, so that these VMREADs do not exit.  Nothing is read back from it: vmcs12 is
 * what counts, and each VMWRITE of L1's exits as ever, so that what it changed is known.
 *
 * It begins with the first VMREAD of such a field and ends when the VMCS is current no more.
 */
#include <linux/moduleparam.h>
#include <linux/vmalloc.h>

#include "nested/nested.h"

#define FIELD VMCS12_OFFSET

/* clang-format off */
/* What handling an exit takes; by their bytes in struct vmcs12. */
static const struct vmcs12_offset fields[] = {
	FIELD(EXIT_QUALIFICATION, exit_qualification),
	FIELD(GUEST_LINEAR_ADDRESS, guest_linear_address),
	FIELD(GUEST_PHYSICAL_ADDRESS, guest_physical_address),
	FIELD(GUEST_RIP, guest_rip), FIELD(GUEST_RSP, guest_rsp),
	FIELD(GUEST_RFLAGS, guest_rflags), FIELD(GUEST_CS_BASE, guest_cs_base),
	FIELD(GUEST_CR0, guest_cr0), FIELD(GUEST_CR3, guest_cr3), FIELD(GUEST_CR4, guest_cr4),
#define END_64 10
	FIELD(VM_EXIT_REASON, vm_exit_reason),
	FIELD(VM_EXIT_INTR_INFO, vm_exit_intr_info),
	FIELD(VM_EXIT_INTR_ERROR_CODE, vm_exit_intr_error_code),
	FIELD(IDT_VECTORING_INFO_FIELD, idt_vectoring_info_field),
	FIELD(IDT_VECTORING_ERROR_CODE, idt_vectoring_error_code),
	FIELD(VM_EXIT_INSTRUCTION_LEN, vm_exit_instruction_len),
	FIELD(VMX_INSTRUCTION_INFO, vmx_instruction_info),
	FIELD(GUEST_INTERRUPTIBILITY_INFO, guest_interruptibility_info),
	FIELD(GUEST_CS_AR_BYTES, guest_cs_ar_bytes), FIELD(GUEST_SS_AR_BYTES, guest_ss_ar_bytes),
#define END_32 20
};

/* clang-format on */

static_assert(ARRAY_SIZE(fields) == END_32);

/* By encoding: accesses that exit (SDM 3C 25.6.15). */
#define BITMAP_BITS (PAGE_SIZE * BITS_PER_BYTE)
static struct {
	DECLARE_BITMAP(read, BITMAP_BITS);
	DECLARE_BITMAP(write, BITMAP_BITS);
} exiting __aligned(PAGE_SIZE);

static bool shadow_vmcs = true;
module_param(shadow_vmcs, bool, 0444);
MODULE_PARM_DESC(shadow_vmcs, "let the CPU carry out a guest hypervisor's VMREADs (default Y)");

/* Exit information has to be written, too. */
void __init mirror_init(bool nested)
{
	unsigned int i;
	u64 misc;

	rdmsrl(MSR_IA32_VMX_MISC, misc);
	shadow_vmcs = shadow_vmcs && nested && (misc & MISC_VMWRITE_ALL) &&
		      (vmx_caps.secondary_allowed & SECONDARY_EXEC_SHADOW_VMCS);
	if (!shadow_vmcs)
		return;
	memset(&exiting, 0xff, sizeof(exiting));
	for (i = 0; i < ARRAY_SIZE(fields); i++)
		__clear_bit(fields[i].field, exiting.read);
}

bool mirror_is_possible(void)
{
	return shadow_vmcs;
}

static bool is_mirrored(u64 field)
{
	return field < BITMAP_BITS && !test_bit(field, exiting.read);
}

static __always_inline void put(const struct vmcs12 *v, unsigned int i, unsigned int end,
				unsigned int bytes)
{
	for (; i < end; i++) {
		u64 value = 0;

		memcpy(&value, (const u8 *)v + fields[i].offset, bytes);
		vmwrite(fields[i].field, value);
	}
}

static void load(u64 pa)
{
	if (vmptrld(pa))
		vmx_insn_failed("VMPTRLD of", pa);
}

/* Preemption would load the vCPU's own again, and the rest would go there. */
static void begin(struct vcpu *vcpu)
{
	preempt_disable();
	load(vcpu->vmx->mirror.pa);
}

static void end(struct vcpu *vcpu)
{
	load(vcpu->vmx->vmcs->pa);
	preempt_enable();
}

void mirror_fill(struct vcpu *vcpu)
{
	const struct vmcs12 *v = vmcs12_of(vcpu);

	begin(vcpu);
	put(v, 0, END_64, sizeof(u64));
	put(v, END_64, END_32, sizeof(u32));
	end(vcpu);
}

static u64 bitmap_pa(const unsigned long *bitmap)
{
	return (u64)vmalloc_to_pfn(bitmap) << PAGE_SHIFT;
}

void mirror_after_read(struct vcpu *vcpu, u64 field)
{
	struct nested *n = nested_of(vcpu);

	if (!shadow_vmcs || n->mirrored || !is_mirrored(field))
		return;
	mirror_fill(vcpu);
	vmwrite(VMREAD_BITMAP, bitmap_pa(exiting.read));
	vmwrite(VMWRITE_BITMAP, bitmap_pa(exiting.write));
	vmwrite(VMCS_LINK_POINTER, vcpu->vmx->mirror.pa);
	vmcs_set_secondary(vcpu->vmx, SECONDARY_EXEC_SHADOW_VMCS, true);
	n->mirrored = true;
}

/* The CPU takes of @value what the field has, as vmcs12_write() did; of half a field, too. */
void mirror_after_write(struct vcpu *vcpu, u64 field, u64 value)
{
	if (!is_mirrored(field & ~(u64)VMCS_HIGH))
		return;
	begin(vcpu);
	vmwrite(field, value);
	end(vcpu);
}

void mirror_stop(struct vcpu *vcpu)
{
	struct nested *n = nested_of(vcpu);

	if (!n->mirrored)
		return;
	vmcs_set_secondary(vcpu->vmx, SECONDARY_EXEC_SHADOW_VMCS, false);
	vmwrite(VMCS_LINK_POINTER, ~0ull);
	n->mirrored = false;
}
