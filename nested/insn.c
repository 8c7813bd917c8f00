// SPDX-License-Identifier: GPL-2.0
/*
 * The VMX instructions as L1 executes them (SDM 3C 31): their operands, their
 * checks in the SDM's order, and its error numbers.
 */
#include "nested/ept12.h"
#include "nested/nested.h"

/* A VMCS of L1's, or its VMXON region: a page within its physical addresses. */
static bool address_is_valid(const struct vcpu *vcpu, u64 pa)
{
	return !offset_in_page(pa) && !(pa >> vcpu->cpuid.maxphyaddr);
}

#define ARITHMETIC_FLAGS \
	((u64)(X86_EFLAGS_CF | X86_EFLAGS_PF | X86_EFLAGS_AF | X86_EFLAGS_ZF | X86_EFLAGS_SF | \
	       X86_EFLAGS_OF))

static int finish(struct vcpu *vcpu, u64 flags)
{
	vmwrite(GUEST_RFLAGS, (vmread(GUEST_RFLAGS) & ~ARITHMETIC_FLAGS) | flags);
	skip_insn(vcpu);
	return ENTER_AGAIN;
}

int vmx_succeed(struct vcpu *vcpu)
{
	return finish(vcpu, 0);
}

int vmx_fail_invalid(struct vcpu *vcpu)
{
	return finish(vcpu, X86_EFLAGS_CF);
}

int vmx_fail(struct vcpu *vcpu, u32 error)
{
	struct nested *n = nested_of(vcpu);

	evmcs_find(vcpu);
	if (!nested_has_vmcs(n))
		return vmx_fail_invalid(vcpu);
	n->vmcs12->vm_instruction_error = error;
	if (n->evmcs_ptr != NO_ADDRESS)
		evmcs_put_error(vcpu);
	return finish(vcpu, X86_EFLAGS_ZF);
}

void vmcs12_flush(struct vcpu *vcpu)
{
	struct nested *n = nested_of(vcpu);

	mirror_stop(vcpu);
	/* What an exit left is in the enlightened one's page already. */
	n->evmcs_ptr = NO_ADDRESS;
	if (n->current_ptr == NO_ADDRESS)
		return;
	/* Where there is no memory any more, nothing is kept. */
	guest_write(vcpu, n->current_ptr, n->vmcs12, sizeof(*n->vmcs12));
	n->current_ptr = NO_ADDRESS;
}

/* VMX_INSTRUCTION_INFO (SDM 3C tables 28-13 and 28-14). */
#define INFO_SCALE(i)	  ((i)&3)
#define INFO_REG1(i)	  (((i) >> 3) & 0xf)
#define INFO_ADDR_BITS(i) (16u << (((i) >> 7) & 3))
#define INFO_REGISTER	  BIT(10)
#define INFO_SEGMENT(i)	  (((i) >> 15) & 7)
#define INFO_INDEX(i)	  (((i) >> 18) & 0xf)
#define INFO_NO_INDEX	  BIT(22)
#define INFO_BASE(i)	  (((i) >> 23) & 0xf)
#define INFO_NO_BASE	  BIT(27)
#define INFO_REG2(i)	  (((i) >> 28) & 0xf)

/* The memory operand of the instruction that exited.  As guest_span(). */
static int memory_operand(struct vcpu *vcpu, u32 size, bool write, struct span *span)
{
	u32 info = vmread(VMX_INSTRUCTION_INFO);
	struct operand op = {
		.seg = INFO_SEGMENT(info),
		.offset = vmread(EXIT_QUALIFICATION),
		.size = size,
		.write = write,
	};

	if (!(info & INFO_NO_BASE))
		op.offset += gpr_read(vcpu, INFO_BASE(info));
	if (!(info & INFO_NO_INDEX))
		op.offset += gpr_read(vcpu, INFO_INDEX(info)) << INFO_SCALE(info);
	op.offset &= insn_address_mask(INFO_ADDR_BITS(info));
	return guest_span(vcpu, &op, span);
}

/* What a failed access means for KVM_RUN: a fault is queued, or nobody can make it. */
static int no_operand(struct vcpu *vcpu, int ret)
{
	if (ret == -EAGAIN)
		return ENTER_AGAIN;
	return exit_internal_error(vcpu, KVM_INTERNAL_ERROR_EMULATION);
}

static int read_operand(struct vcpu *vcpu, void *to, u32 size)
{
	struct span span;
	unsigned int i;
	int ret = memory_operand(vcpu, size, false, &span);

	for (i = 0; !ret && i < span.nr; i++) {
		ret = guest_read(vcpu, span.piece[i].gpa, to, span.piece[i].len);
		to += span.piece[i].len;
	}
	return ret;
}

static int write_operand(struct vcpu *vcpu, const void *from, u32 size)
{
	struct span span;
	unsigned int i;
	int ret = memory_operand(vcpu, size, true, &span);

	for (i = 0; !ret && i < span.nr; i++) {
		ret = guest_write(vcpu, span.piece[i].gpa, from, span.piece[i].len);
		from += span.piece[i].len;
	}
	return ret;
}

int nested_alloc(struct vcpu *vcpu)
{
	struct nested *n = nested_of(vcpu);

	if (!n->vmcs12)
		n->vmcs12 = (void *)get_zeroed_page(GFP_KERNEL_ACCOUNT);
	if (!n->shadow12)
		n->shadow12 = (void *)get_zeroed_page(GFP_KERNEL_ACCOUNT);
	if (!n->msr_bitmap)
		n->msr_bitmap = (void *)__get_free_page(GFP_KERNEL_ACCOUNT);
	if (!n->vmcs12 || !n->shadow12 || !n->msr_bitmap)
		return -ENOMEM;
	memset(n->msr_bitmap, 0xff, PAGE_SIZE);
	if (!n->shadow.mmu)
		shadow_vcpu_init(&n->shadow, &vcpu->vm->mmu, &vcpu->tables, &vcpu->ring);
	return vmcs_create02(vcpu) ?: mirror_is_possible() ? vmcs_create_mirror(vcpu) : 0;
}

void nested_set_vmxon(struct vcpu *vcpu, gpa_t vmxon_ptr)
{
	struct nested *n = nested_of(vcpu);
	struct vcpu_vmx *vmx = vcpu->vmx;
	u64 cr0 = vmx_cr0(vcpu);

	n->vmxon_ptr = vmxon_ptr;
	n->caps.cr4_fixed1 = nested_offer.cr4_fixed1 & vcpu->cpuid.cr4_guest_bits;
	vmx->vmxon = vmxon_ptr != NO_ADDRESS;
	vmx->cr0_must = vmx->vmxon ? n->caps.cr0_fixed0 : 0;
	vmx->cr4_must = vmx->vmxon ? n->caps.cr4_fixed0 : 0;
	/* What the guest owns of CR0 is less now, or more. */
	vmx_put_cr0(vcpu, cr0);
}

/* CR0 and CR4 are what VMX operation wants (SDM 3C 24.8). */
static bool crs_allow_vmxon(const struct vcpu *vcpu)
{
	const struct nested_caps *caps = &nested_of(vcpu)->caps;
	u64 cr0 = vmx_cr0(vcpu), cr4 = vmx_cr4(vcpu);

	return !(caps->cr0_fixed0 & ~cr0) && !(cr0 & ~caps->cr0_fixed1) &&
	       !(caps->cr4_fixed0 & ~cr4) && !(cr4 & ~caps->cr4_fixed1);
}

#define FEATURE_CONTROL_VMX ((u64)(FEAT_CTL_LOCKED | FEAT_CTL_VMX_ENABLED_OUTSIDE_SMX))

static int insn_vmxon(struct vcpu *vcpu)
{
	u32 revision;
	u64 pa;
	int ret;

	if (vcpu->vmx->vmxon)
		return vmx_fail(vcpu, VMXERR_VMXON_IN_VMX_ROOT_OPERATION);
	if (!crs_allow_vmxon(vcpu) ||
	    (vcpu->msrs.feature_control & FEATURE_CONTROL_VMX) != FEATURE_CONTROL_VMX)
		return exit_protection(vcpu);
	ret = read_operand(vcpu, &pa, sizeof(pa));
	if (ret)
		return no_operand(vcpu, ret);
	if (!address_is_valid(vcpu, pa) || guest_read(vcpu, pa, &revision, sizeof(revision)) ||
	    revision != VMCS12_REVISION)
		return vmx_fail_invalid(vcpu);
	ret = nested_alloc(vcpu);
	if (ret)
		return ret;
	nested_set_vmxon(vcpu, pa);
	return vmx_succeed(vcpu);
}

static int insn_vmxoff(struct vcpu *vcpu)
{
	vmcs12_flush(vcpu);
	nested_set_vmxon(vcpu, NO_ADDRESS);
	/* An INIT that was kept back is due now. */
	vcpu_request(vcpu, VCPU_REQ_MP);
	return vmx_succeed(vcpu);
}

static bool secondary_offered(const struct vcpu *vcpu, u32 bit)
{
	return nested_of(vcpu)->caps.procbased2 >> 32 & bit;
}

static int insn_vmclear(struct vcpu *vcpu)
{
	struct nested *n = nested_of(vcpu);
	const u32 clear = 0;
	u64 pa;
	int ret = read_operand(vcpu, &pa, sizeof(pa));

	if (ret)
		return no_operand(vcpu, ret);
	if (!address_is_valid(vcpu, pa))
		return vmx_fail(vcpu, VMXERR_VMCLEAR_INVALID_ADDRESS);
	if (pa == n->vmxon_ptr)
		return vmx_fail(vcpu, VMXERR_VMCLEAR_VMXON_POINTER);
	evmcs_find(vcpu);
	if (pa == n->current_ptr || pa == n->evmcs_ptr)
		vmcs12_flush(vcpu);
	/* An enlightened one has no such field. */
	if (!evmcs_is_in_use(vcpu))
		guest_write(vcpu, pa + offsetof(struct vmcs12, launch_state), &clear,
			    sizeof(clear));
	return vmx_succeed(vcpu);
}

/* The whole of it is read once. */
static bool read_vmcs12(struct vcpu *vcpu, gpa_t pa, struct vmcs12 *v)
{
	if (guest_read(vcpu, pa, v, sizeof(*v)))
		return false;
	return v->revision == VMCS12_REVISION ||
	       (v->revision == (VMCS12_REVISION | VMCS12_SHADOW) &&
		secondary_offered(vcpu, SECONDARY_EXEC_SHADOW_VMCS));
}

static int insn_vmptrld(struct vcpu *vcpu)
{
	struct nested *n = nested_of(vcpu);
	struct vmcs12 header;
	u64 pa;
	int ret = read_operand(vcpu, &pa, sizeof(pa));

	if (ret)
		return no_operand(vcpu, ret);
	if (!address_is_valid(vcpu, pa))
		return vmx_fail(vcpu, VMXERR_VMPTRLD_INVALID_ADDRESS);
	if (pa == n->vmxon_ptr)
		return vmx_fail(vcpu, VMXERR_VMPTRLD_VMXON_POINTER);
	if (n->evmcs_ptr != NO_ADDRESS)
		return vmx_fail_invalid(vcpu);
	if (pa == n->current_ptr)
		return vmx_succeed(vcpu);
	if (!read_vmcs12(vcpu, pa, &header))
		return vmx_fail(vcpu, VMXERR_VMPTRLD_INCORRECT_VMCS_REVISION_ID);
	vmcs12_flush(vcpu);
	*n->vmcs12 = header;
	n->direct_changed = true;
	n->current_ptr = pa;
	return vmx_succeed(vcpu);
}

static int insn_vmptrst(struct vcpu *vcpu)
{
	int ret = write_operand(vcpu, &nested_of(vcpu)->current_ptr, sizeof(u64));

	return ret ? no_operand(vcpu, ret) : vmx_succeed(vcpu);
}

/* Operands of VMREAD and VMWRITE have 64 bits in 64-bit mode, else 32. */
static u32 operand_size(const struct vcpu *vcpu)
{
	return vmx_in_64bit(vcpu) ? 8 : 4;
}

static u64 gpr_operand(const struct vcpu *vcpu, unsigned int n)
{
	u64 value = gpr_read(vcpu, n);

	return operand_size(vcpu) == 8 ? value : (u32)value;
}

u64 insn_field(const struct vcpu *vcpu)
{
	return gpr_operand(vcpu, INFO_REG2(vmread(VMX_INSTRUCTION_INFO)));
}

/* L1's current VMCS, or L2's shadow of one; NULL: there is none. */
static struct vmcs12 *vmcs_of_insn(const struct vcpu *vcpu)
{
	const struct nested *n = nested_of(vcpu);

	if (vmx_in_l2(vcpu->vmx))
		return l1_shadows_vmcs(n->vmcs12) ? n->shadow12 : NULL;
	return n->current_ptr == NO_ADDRESS ? NULL : n->vmcs12;
}

/* Memory may have to be fetched first. */
static bool operand_may_sleep(u32 info)
{
	return !(info & INFO_REGISTER) && irqs_disabled();
}

int insn_vmread(struct vcpu *vcpu)
{
	const struct vmcs12 *v = vmcs_of_insn(vcpu);
	u32 info = vmread(VMX_INSTRUCTION_INFO);
	u64 field, value;
	int ret;

	if (operand_may_sleep(info))
		return EXIT_SLOW;
	if (!v)
		return vmx_fail_invalid(vcpu);
	field = insn_field(vcpu);
	if (!vmcs12_read(v, field, &value))
		return vmx_fail(vcpu, VMXERR_UNSUPPORTED_VMCS_COMPONENT);
	if (!vmx_in_l2(vcpu->vmx))
		mirror_after_read(vcpu, field);
	if (info & INFO_REGISTER) {
		gpr_write(vcpu, INFO_REG1(info), operand_size(vcpu) == 8 ? value : (u32)value);
		return vmx_succeed(vcpu);
	}
	ret = write_operand(vcpu, &value, operand_size(vcpu));
	return ret ? no_operand(vcpu, ret) : vmx_succeed(vcpu);
}

int insn_vmwrite(struct vcpu *vcpu)
{
	struct vmcs12 *v = vmcs_of_insn(vcpu);
	u32 info = vmread(VMX_INSTRUCTION_INFO);
	u64 field = insn_field(vcpu), value = 0;
	int ret = 0;

	if (operand_may_sleep(info))
		return EXIT_SLOW;
	if (!v)
		return vmx_fail_invalid(vcpu);
	if (info & INFO_REGISTER)
		value = gpr_operand(vcpu, INFO_REG1(info));
	else
		ret = read_operand(vcpu, &value, operand_size(vcpu));
	if (ret)
		return no_operand(vcpu, ret);
	if (!vmcs12_find(field).bytes)
		return vmx_fail(vcpu, VMXERR_UNSUPPORTED_VMCS_COMPONENT);
	if (vmcs12_is_read_only(field) && !(nested_of(vcpu)->caps.misc & MISC_VMWRITE_ALL))
		return vmx_fail(vcpu, VMXERR_VMWRITE_READ_ONLY_VMCS_COMPONENT);
	vmcs12_write(v, field, value);
	direct_written(nested_of(vcpu), field);
	if (nested_of(vcpu)->mirrored && !vmx_in_l2(vcpu->vmx))
		mirror_after_write(vcpu, field, value);
	return vmx_succeed(vcpu);
}

/* The type, from the register; and whether IA32_VMX_EPT_VPID_CAP has it, from @shift on. */
static bool read_type(const struct vcpu *vcpu, unsigned int shift, u64 *type)
{
	*type = gpr_operand(vcpu, INFO_REG2(vmread(VMX_INSTRUCTION_INFO)));
	return *type < 4 && (nested_of(vcpu)->caps.ept_vpid >> (shift + *type) & 1);
}

#define INVEPT_TYPES  24 /* bits 25 and 26: types 1 and 2 */
#define INVVPID_TYPES 40

static int insn_invept(struct vcpu *vcpu)
{
	u64 type, descriptor[2];
	bool known;
	int ret;

	if (!secondary_offered(vcpu, SECONDARY_EXEC_ENABLE_EPT) ||
	    !(nested_of(vcpu)->caps.ept_vpid & VMX_EPT_INVEPT_BIT))
		return exit_undefined(vcpu);
	known = read_type(vcpu, INVEPT_TYPES, &type);
	ret = known ? read_operand(vcpu, descriptor, sizeof(descriptor)) : 0;
	if (ret)
		return no_operand(vcpu, ret);
	if (!known || descriptor[1] ||
	    (type == VMX_EPT_EXTENT_CONTEXT &&
	     !ept12_eptp_is_valid(descriptor[0], nested_of(vcpu)->caps.ept_vpid,
				  vcpu->cpuid.maxphyaddr)))
		return vmx_fail(vcpu, VMXERR_INVALID_OPERAND_TO_INVEPT_INVVPID);
	nested_invept(vcpu, type == VMX_EPT_EXTENT_CONTEXT ? descriptor[0] : SHADOW_ALL);
	return vmx_succeed(vcpu);
}

static bool invvpid_is_valid(u64 type, const u64 descriptor[2])
{
	u64 vpid = descriptor[0];

	if (vpid >> 16)
		return false;
	if (type != VMX_VPID_EXTENT_ALL_CONTEXT && !vpid)
		return false;
	return type != VMX_VPID_EXTENT_INDIVIDUAL_ADDR ||
	       (u64)((s64)(descriptor[1] << 16) >> 16) == descriptor[1];
}

/* vmcs02 has one VPID for all of L1's: whatever is invalidated, it all goes. */
static int insn_invvpid(struct vcpu *vcpu)
{
	u64 type, descriptor[2];
	bool known;
	int ret;

	if (!secondary_offered(vcpu, SECONDARY_EXEC_ENABLE_VPID) ||
	    !(nested_of(vcpu)->caps.ept_vpid & EPT_CAP_INVVPID))
		return exit_undefined(vcpu);
	known = read_type(vcpu, INVVPID_TYPES, &type);
	ret = known ? read_operand(vcpu, descriptor, sizeof(descriptor)) : 0;
	if (ret)
		return no_operand(vcpu, ret);
	if (!known || !invvpid_is_valid(type, descriptor))
		return vmx_fail(vcpu, VMXERR_INVALID_OPERAND_TO_INVEPT_INVVPID);
	nested_of(vcpu)->last_vpid = 0; /* the next entry flushes */
	return vmx_succeed(vcpu);
}

/* The checks that all VMX instructions begin with. 0, or the vector of a fault. */
static int check_mode(const struct vcpu *vcpu, bool vmxon)
{
	bool allowed = vmxon ? vmx_cr4(vcpu) & X86_CR4_VMXE : vcpu->vmx->vmxon;

	if (!allowed || !(vmx_cr0(vcpu) & X86_CR0_PE) || (vmread(GUEST_RFLAGS) & X86_EFLAGS_VM) ||
	    ((vcpu->vmx->efer & EFER_LMA) && !vmx_in_64bit(vcpu)))
		return UD_VECTOR;
	return guest_cpl() ? GP_VECTOR : 0;
}

int nested_insn(struct vcpu *vcpu)
{
	u32 reason = vcpu->vmx->exit_reason;
	int vector = check_mode(vcpu, reason == EXIT_REASON_VMON);

	if (vector)
		return vector == UD_VECTOR ? exit_undefined(vcpu) : exit_protection(vcpu);
	switch (reason) {
	case EXIT_REASON_VMON:
		return insn_vmxon(vcpu);
	case EXIT_REASON_VMOFF:
		return insn_vmxoff(vcpu);
	case EXIT_REASON_VMCLEAR:
		return insn_vmclear(vcpu);
	case EXIT_REASON_VMPTRLD:
		return insn_vmptrld(vcpu);
	case EXIT_REASON_VMPTRST:
		return insn_vmptrst(vcpu);
	case EXIT_REASON_VMREAD:
		return insn_vmread(vcpu);
	case EXIT_REASON_VMWRITE:
		return insn_vmwrite(vcpu);
	case EXIT_REASON_VMLAUNCH:
		return nested_run(vcpu, true);
	case EXIT_REASON_VMRESUME:
		return nested_run(vcpu, false);
	case EXIT_REASON_INVEPT:
		return insn_invept(vcpu);
	case EXIT_REASON_INVVPID:
		return insn_invvpid(vcpu);
	}
	return exit_undefined(vcpu);
}
