// SPDX-License-Identifier: GPL-2.0
/*
 * Sets a VMCS up: the controls, the host state that never changes, and the
 * guest state of a CPU after reset (SDM 3A table 10-1).
 */
#include <linux/idr.h>
#include <asm/cpu_entry_area.h>
#include <asm/desc.h>
#include <asm/processor.h>

#include "vmx/enter.h"
#include "vmx/vmx.h"

static_assert(HOST_RSP == VMCS_HOST_RSP, "entry.S and C disagree");
static_assert(8 * GPR_RCX == VCPU_RCX && 8 * GPR_RBP == VCPU_RBP && 8 * GPR_RDI == VCPU_RDI);
static_assert(8 * GPR_R8 == VCPU_R8 && 8 * GPR_R15 == VCPU_R15);

#define VMCS_IS_SHADOW BIT(31) /* of a region's first word (SDM 3C 25.2) */

static DEFINE_IDA(vpids); /* 0 is the host's */

struct field_value {
	u32 field;
	u64 value;
};

/* clang-format off */
#define SEGMENT(seg, sel, seg_base, ar)                                                   \
	{ GUEST_##seg##_SELECTOR, sel }, { GUEST_##seg##_BASE, seg_base },                \
	{ GUEST_##seg##_LIMIT, 0xffff }, { GUEST_##seg##_AR_BYTES, ar }

/* Fields that hold the same in every VMCS at its creation. */
static const struct field_value initial[] = {
	{ EXCEPTION_BITMAP, EXCEPTIONS_OURS },
	{ PAGE_FAULT_ERROR_CODE_MASK, 0 },
	{ PAGE_FAULT_ERROR_CODE_MATCH, 0 },
	{ CR3_TARGET_COUNT, 0 },
	{ VM_EXIT_MSR_STORE_COUNT, 0 },
	{ VM_EXIT_MSR_LOAD_COUNT, 0 },
	{ VM_ENTRY_MSR_LOAD_COUNT, 0 },
	{ VM_ENTRY_INTR_INFO_FIELD, 0 },
	{ VMCS_LINK_POINTER, ~0ull },

	{ HOST_CS_SELECTOR, __KERNEL_CS },
	{ HOST_SS_SELECTOR, __KERNEL_DS },
	{ HOST_DS_SELECTOR, 0 },
	{ HOST_ES_SELECTOR, 0 },
	{ HOST_FS_SELECTOR, 0 },
	{ HOST_GS_SELECTOR, 0 },
	{ HOST_TR_SELECTOR, GDT_ENTRY_TSS * 8 },
	{ HOST_FS_BASE, 0 },
	{ HOST_RSP, 0 },

	{ GUEST_SYSENTER_CS, 0 },
	{ GUEST_SYSENTER_ESP, 0 },
	{ GUEST_SYSENTER_EIP, 0 },
	{ GUEST_IA32_DEBUGCTL, 0 },
};

/* Those that INIT sets to what they are after reset (SDM 3A table 10-1). */
static const struct field_value guest_reset[] = {
	SEGMENT(CS, 0xf000, 0xffff0000, 0x9b),
	SEGMENT(DS, 0, 0, 0x93),
	SEGMENT(ES, 0, 0, 0x93),
	SEGMENT(FS, 0, 0, 0x93),
	SEGMENT(GS, 0, 0, 0x93),
	SEGMENT(SS, 0, 0, 0x93),
	SEGMENT(LDTR, 0, 0, 0x82),
	SEGMENT(TR, 0, 0, 0x8b),
	{ GUEST_GDTR_BASE, 0 },
	{ GUEST_GDTR_LIMIT, 0xffff },
	{ GUEST_IDTR_BASE, 0 },
	{ GUEST_IDTR_LIMIT, 0xffff },
	{ GUEST_RSP, 0 },
	{ GUEST_RIP, 0xfff0 },
	{ GUEST_RFLAGS, X86_EFLAGS_FIXED },
	{ GUEST_DR7, 0x400 },
	{ GUEST_ACTIVITY_STATE, GUEST_ACTIVITY_ACTIVE },
	{ GUEST_INTERRUPTIBILITY_INFO, 0 },
	{ GUEST_PENDING_DBG_EXCEPTIONS, 0 },
};

/* clang-format on */

void vmcs_set_primary(struct vcpu_vmx *vmx, u32 bits, bool on)
{
	struct vmcs *vmcs = vmx->vmcs;
	u32 value = on ? vmcs->primary | bits : vmcs->primary & ~bits;

	if (value == vmcs->primary)
		return;
	vmcs->primary = value;
	vmwrite(CPU_BASED_VM_EXEC_CONTROL, value);
}

void vmcs_set_secondary(struct vcpu_vmx *vmx, u32 bits, bool on)
{
	struct vmcs *vmcs = vmx->vmcs;
	u32 value = on ? vmcs->secondary | bits : vmcs->secondary & ~bits;

	if (value == vmcs->secondary)
		return;
	vmcs->secondary = value;
	vmwrite(SECONDARY_VM_EXEC_CONTROL, value);
}

void vmcs_set_host_cpu(struct vmcs *vmcs)
{
	int cpu = smp_processor_id();
	struct desc_ptr idt;
	u64 esp;

	if (vmcs->host_cpu == cpu)
		return;
	vmcs->host_cpu = cpu;
	store_idt(&idt);
	vmwrite(HOST_IDTR_BASE, idt.address);
	vmwrite(HOST_GDTR_BASE, (unsigned long)get_cpu_gdt_ro(cpu));
	vmwrite(HOST_TR_BASE, (unsigned long)&get_cpu_entry_area(cpu)->tss.x86_tss);
	vmwrite(HOST_GS_BASE, cpu_kernelmode_gs_base(cpu));
	rdmsrl(MSR_IA32_SYSENTER_ESP, esp);
	vmwrite(HOST_IA32_SYSENTER_ESP, esp);
}

static void write_host(void)
{
	u64 value;

	vmwrite(HOST_CR0, read_cr0() & ~X86_CR0_TS);
	vmwrite(HOST_RIP, (unsigned long)vmx_exit_point);
	rdmsrl(MSR_EFER, value);
	vmwrite(HOST_IA32_EFER, value);
	rdmsrl(MSR_IA32_CR_PAT, value);
	vmwrite(HOST_IA32_PAT, value);
	rdmsrl(MSR_IA32_SYSENTER_CS, value);
	vmwrite(HOST_IA32_SYSENTER_CS, (u32)value);
	rdmsrl(MSR_IA32_SYSENTER_EIP, value);
	vmwrite(HOST_IA32_SYSENTER_EIP, value);
}

static void write_controls(struct vcpu *vcpu)
{
	struct vcpu_vmx *vmx = vcpu->vmx;
	struct mmu *mmu = &vcpu->vm->mmu;
	struct vmcs *vmcs = vmx->vmcs;

	vmwrite(PIN_BASED_VM_EXEC_CONTROL, vmx_caps.pin);
	if (vmx_caps.slice)
		vmwrite(VMX_PREEMPTION_TIMER_VALUE, vmx_caps.slice);
	vmwrite(CPU_BASED_VM_EXEC_CONTROL, vmcs->primary);
	vmwrite(SECONDARY_VM_EXEC_CONTROL, vmcs->secondary);
	vmwrite(VM_EXIT_CONTROLS, vmx_caps.exit);
	vmwrite(VM_ENTRY_CONTROLS, vmx_caps.entry);
	if (vmcs->vpid)
		vmwrite(VIRTUAL_PROCESSOR_ID, vmcs->vpid);
	vmwrite(MSR_BITMAP, __pa(vcpu->vm->msr_bitmap));
	vmwrite(EPT_POINTER, mmu_eptp(mmu, mmu->root));
	tsc_write_vmcs(vcpu);
	if (vmcs->secondary & SECONDARY_EXEC_ENCLS_EXITING)
		vmwrite(ENCLS_EXITING_BITMAP, ~0ull);
	if (vmx->pml)
		vmwrite(PML_ADDRESS, __pa(vmx->pml));
}

void vmcs_reset_guest(struct vcpu *vcpu)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(guest_reset); i++)
		vmwrite(guest_reset[i].field, guest_reset[i].value);
	vmx_put_efer(vcpu, 0);
	vmx_put_cr0(vcpu, X86_CR0_ET | X86_CR0_NW | X86_CR0_CD);
	vmx_put_cr4(vcpu, 0);
	vmx_put_cr3(vcpu, 0);
}

/* All that no guest's state is; vmcs02 has it in common. */
static void write_common(struct vcpu *vcpu)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(initial); i++)
		vmwrite(initial[i].field, initial[i].value);
	write_host();
	write_controls(vcpu);
}

static int take_vpid(struct vmcs *vmcs)
{
	int vpid;

	if (!vmx_caps.choice.vpid)
		return 0;
	vpid = ida_alloc_range(&vpids, 1, U16_MAX, GFP_KERNEL_ACCOUNT);
	if (vpid < 0)
		return vpid;
	vmcs->vpid = vpid;
	return 0;
}

/* A cleared VMCS of no content.  @shadow: one that is read and written, and not run. */
static int make_region(struct vmcs *vmcs, bool shadow)
{
	u32 *region = (void *)get_zeroed_page(GFP_KERNEL_ACCOUNT);
	int ret;

	if (!region)
		return -ENOMEM;
	*region = vmx_caps.revision | (shadow ? VMCS_IS_SHADOW : 0);
	vmcs->pa = __pa(region);
	vmcs->host_cpu = -1;
	preempt_disable();
	ret = vmclear(vmcs->pa);
	/* From here on it is cleared with the vCPU's others: see on.c. */
	if (!ret)
		WRITE_ONCE(vmcs->region, region);
	preempt_enable();
	if (ret)
		free_page((unsigned long)region);
	return ret;
}

/* On error what was made is left to free_one(). */
static int make_one(struct vmcs *vmcs)
{
	int ret = vmcs->vpid ? 0 : take_vpid(vmcs);

	return ret ?: make_region(vmcs, false);
}

static void free_one(struct vmcs *vmcs)
{
	free_page((unsigned long)vmcs->region);
	if (vmcs->vpid)
		ida_free(&vpids, vmcs->vpid);
}

/* On error what was made is left to vmcs_destroy(). */
int vmcs_create(struct vcpu *vcpu)
{
	struct vcpu_vmx *vmx = vcpu->vmx;
	struct vmcs *vmcs = &vmx->vmcs01;
	int ret;

	vmx->vmcs = vmcs;
	ret = make_one(vmcs);
	if (ret)
		return ret;
	vmcs->primary = vmx_caps.primary;
	vmcs->secondary = vmx_caps.secondary;
	if (vcpu->vm->disabled_exits & KVM_X86_DISABLE_EXITS_HLT)
		vmcs->primary &= ~(u32)CPU_BASED_HLT_EXITING;

	vcpu_load(vcpu);
	write_common(vcpu);
	vmcs_reset_guest(vcpu);
	vmwrite(GUEST_IA32_PAT, vcpu->msrs.pat);
	vcpu_put(vcpu);
	return 0;
}

int vmcs_create02(struct vcpu *vcpu)
{
	struct vcpu_vmx *vmx = vcpu->vmx;
	struct vmcs *vmcs = &vmx->vmcs02;
	int ret;

	if (vmcs->region)
		return 0;
	ret = make_one(vmcs);
	if (ret)
		return ret;
	vmcs->primary = vmx->vmcs01.primary;
	vmcs->secondary = vmx->vmcs01.secondary & ~(u32)SECONDARY_EXEC_ENABLE_PML;
	vmcs_switch(vcpu, vmcs);
	write_common(vcpu);
	/* Where L1 enables VM functions, each is to exit. */
	if (vmx_caps.secondary_allowed & SECONDARY_EXEC_ENABLE_VMFUNC)
		vmwrite(VM_FUNCTION_CONTROL, 0);
	vmcs_switch(vcpu, &vmx->vmcs01);
	return 0;
}

int vmcs_create_mirror(struct vcpu *vcpu)
{
	struct vmcs *mirror = &vcpu->vmx->mirror;

	return mirror->region ? 0 : make_region(mirror, true);
}

void vmcs_switch(struct vcpu *vcpu, struct vmcs *vmcs)
{
	struct vcpu_vmx *vmx = vcpu->vmx;

	preempt_disable();
	/* What the host's state is goes into the other one, too. */
	guest_state_put(vcpu);
	/* It was meant for the translations of the one that goes. */
	if (test_and_clear_bit(__ffs(VCPU_REQ_VPID), &vcpu->pending))
		tlb_flush_vpid(vcpu);
	vmx->vmcs = vmcs;
	if (vmptrld(vmcs->pa))
		vmx_insn_failed("VMPTRLD of", vmcs->pa);
	vmcs_set_host_cpu(vmcs);
	preempt_enable();
	vcpu_request(vcpu, VCPU_REQ_PML);
}

void vmcs_destroy(struct vcpu *vcpu)
{
	struct vcpu_vmx *vmx = vcpu->vmx;

	if (vmx->vmcs01.region)
		vmcs_unload(vmx);
	free_one(&vmx->vmcs01);
	free_one(&vmx->vmcs02);
	free_one(&vmx->mirror);
}
