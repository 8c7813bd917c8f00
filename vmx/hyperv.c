// SPDX-License-Identifier: GPL-2.0
/*
 * As much of Hyper-V's interface (TLFS) as an enlightened VMCS takes: who the guest is,
 * the hypercall page, the VP assist page and what comes with it, the APIC's registers by
 * MSR.  There are no hypercalls, and each is told so.
 */
#include <asm/hyperv-tlfs.h>

#include "platform/hyperv.h"
#include "vmx/vmx.h"

#define PAGE_ENABLED 1ull /* of an MSR that names a page; bits 11:1 are kept as they are */

bool hyperv_has_msr(u32 index)
{
	switch (index) {
	case HV_X64_MSR_GUEST_OS_ID:
	case HV_X64_MSR_HYPERCALL:
	case HV_X64_MSR_VP_INDEX:
	case HV_X64_MSR_EOI:
	case HV_X64_MSR_ICR:
	case HV_X64_MSR_TPR:
	case HV_X64_MSR_VP_ASSIST_PAGE:
		return true;
	}
	return false;
}

bool hyperv_is_offered(const struct vcpu *vcpu)
{
	return cpuid_entry(&vcpu->cpuid, HYPERV_CPUID_INTERFACE, 0)->eax == HYPERV_SIGNATURE;
}

gpa_t hyperv_assist_page(const struct vcpu *vcpu)
{
	u64 msr = vcpu->vmx->hyperv.assist;

	return msr & PAGE_ENABLED ? msr & PAGE_MASK : ~0ull;
}

static bool apic_is_on(const struct vcpu *vcpu)
{
	return vcpu->apic && vcpu->apic->mode != LAPIC_OFF;
}

static int get_apic(struct vcpu *vcpu, u32 offset, u64 *value)
{
	if (!apic_is_on(vcpu))
		return -EINVAL;
	*value = apic_mmio_read(vcpu, offset);
	if (offset == LAPIC_ICR_LOW)
		*value |= (u64)apic_mmio_read(vcpu, LAPIC_ICR_HIGH) << 32;
	return 0;
}

static int set_apic(struct vcpu *vcpu, u32 offset, u64 value)
{
	if (!apic_is_on(vcpu))
		return -EINVAL;
	/* Any number ends an interrupt; x2APIC's own MSR wants 0. */
	if (offset == LAPIC_EOI)
		value = 0;
	if (vcpu->apic->mode == LAPIC_X2APIC)
		return apic_set_msr(vcpu, APIC_BASE_MSR + offset / 16, value, false);
	if (offset == LAPIC_ICR_LOW)
		apic_mmio_write(vcpu, LAPIC_ICR_HIGH, value >> 32);
	apic_mmio_write(vcpu, offset, value);
	return 0;
}

int hyperv_get_msr(struct vcpu *vcpu, u32 index, u64 *value)
{
	const struct vm_hyperv *vm = &vcpu->vm->hyperv;

	switch (index) {
	case HV_X64_MSR_GUEST_OS_ID:
		*value = READ_ONCE(vm->guest_os_id);
		return 0;
	case HV_X64_MSR_HYPERCALL:
		*value = READ_ONCE(vm->hypercall);
		return 0;
	case HV_X64_MSR_VP_INDEX:
		*value = vcpu->vmx->hyperv.index;
		return 0;
	case HV_X64_MSR_VP_ASSIST_PAGE:
		*value = vcpu->vmx->hyperv.assist;
		return 0;
	case HV_X64_MSR_ICR:
		return get_apic(vcpu, LAPIC_ICR_LOW, value);
	case HV_X64_MSR_TPR:
		return get_apic(vcpu, LAPIC_TPR, value);
	}
	return -EINVAL; /* EOI is for writing */
}

static void set_guest_os_id(struct vm_hyperv *vm, u64 value)
{
	WRITE_ONCE(vm->guest_os_id, value);
	/* Who is nobody makes no calls. */
	if (!value)
		WRITE_ONCE(vm->hypercall, vm->hypercall & ~PAGE_ENABLED);
}

/* When userspace sets it, the page is in the memory that comes along. */
static int set_hypercall(struct vcpu *vcpu, u64 value, bool host)
{
	static const u8 code[] = { 0x0f, 0x01, 0xc1, 0xc3 }; /* VMCALL; RET */
	struct vm_hyperv *vm = &vcpu->vm->hyperv;

	if (!host && !READ_ONCE(vm->guest_os_id))
		value &= ~PAGE_ENABLED;
	if (!host && (value & PAGE_ENABLED) &&
	    guest_write(vcpu, value & PAGE_MASK, code, sizeof(code)))
		return -EINVAL;
	WRITE_ONCE(vm->hypercall, value);
	return 0;
}

/* Nothing there that a former user left says that an EOI need not be told. */
static int set_assist(struct vcpu *vcpu, u64 value, bool host)
{
	const u32 nothing = 0;

	if (!host && (value & PAGE_ENABLED) &&
	    guest_write(vcpu, value & PAGE_MASK, &nothing, sizeof(nothing)))
		return -EINVAL;
	vcpu->vmx->hyperv.assist = value;
	return 0;
}

int hyperv_set_msr(struct vcpu *vcpu, u32 index, u64 value, bool host)
{
	if (!host && !hyperv_is_offered(vcpu))
		return -ENOENT;
	switch (index) {
	case HV_X64_MSR_GUEST_OS_ID:
		set_guest_os_id(&vcpu->vm->hyperv, value);
		return 0;
	case HV_X64_MSR_HYPERCALL:
		return set_hypercall(vcpu, value, host);
	case HV_X64_MSR_VP_INDEX:
		if (!host || value >= VM_MAX_VCPUS)
			return -EINVAL;
		vcpu->vmx->hyperv.index = value;
		return 0;
	case HV_X64_MSR_VP_ASSIST_PAGE:
		return set_assist(vcpu, value, host);
	case HV_X64_MSR_EOI:
		return set_apic(vcpu, LAPIC_EOI, value);
	case HV_X64_MSR_ICR:
		return set_apic(vcpu, LAPIC_ICR_LOW, value);
	default:
		return set_apic(vcpu, LAPIC_TPR, value);
	}
}

int hyperv_hypercall(struct vcpu *vcpu)
{
	if (guest_cpl()) {
		queue_exception(vcpu, UD_VECTOR);
		return ENTER_AGAIN;
	}
	/* Without 64 bits the result is in EDX:EAX. */
	if (!vmx_in_64bit(vcpu))
		vcpu->regs[GPR_RDX] = 0;
	vcpu->regs[GPR_RAX] = HV_STATUS_INVALID_HYPERCALL_CODE;
	skip_insn(vcpu);
	return ENTER_AGAIN;
}
