// SPDX-License-Identifier: GPL-2.0
/*
 * XCR0, where the host uses XSAVE.  The guest's is in the CPU during a burst of
 * entries, and only if its CR4.OSXSAVE lets it feel it: without that bit XSAVE
 * and AVX instructions are undefined.  IA32_XSS stays the host's: no supervisor
 * state is offered, so XSAVES is not, and is undefined in the guest.
 *
 * The FPU registers themselves are swapped around KVM_RUN with all of the
 * host's components enabled (fpu.c).
 */
#include "platform/xsave.h"
#include "vmx/vmx.h"

#include <asm/fpu/xcr.h> /* needs the types */

DEFINE_STATIC_KEY_FALSE(xsave_in_use);

static u64 host_xcr0;

void xsave_init(void)
{
	if (!boot_cpu_has(X86_FEATURE_XSAVE))
		return;
	host_xcr0 = xgetbv(XCR_XFEATURE_ENABLED_MASK);
	static_branch_enable(&xsave_in_use);
}

void xsave_exit(void)
{
	static_branch_disable(&xsave_in_use);
}

void xsave_switch(const struct vcpu *vcpu, bool to_guest)
{
	const struct vcpu_vmx *vmx = vcpu->vmx;

	if ((vmx->cr4_shadow & X86_CR4_OSXSAVE) && vmx->xcr0 != host_xcr0)
		xsetbv(XCR_XFEATURE_ENABLED_MASK, to_guest ? vmx->xcr0 : host_xcr0);
}

/* The exit is there whatever the guest's right to execute it (SDM 2D, XSETBV). */
int exit_xsetbv(struct vcpu *vcpu)
{
	u64 value = (u32)vcpu->regs[GPR_RAX] | vcpu->regs[GPR_RDX] << 32;

	if (guest_cpl() || (u32)vcpu->regs[GPR_RCX] != XCR_XFEATURE_ENABLED_MASK ||
	    !xcr0_is_valid(value, vcpu->cpuid.xcr0_bits)) {
		queue_exception_error(vcpu, GP_VECTOR, 0);
		return ENTER_AGAIN;
	}
	vcpu->vmx->xcr0 = value;
	skip_insn(vcpu);
	return ENTER_AGAIN;
}

void vcpu_get_xcrs(struct vcpu *vcpu, struct kvm_xcrs *xcrs)
{
	memset(xcrs, 0, sizeof(*xcrs));
	if (!boot_cpu_has(X86_FEATURE_XSAVE))
		return;
	xcrs->nr_xcrs = 1;
	xcrs->xcrs[0].xcr = XCR_XFEATURE_ENABLED_MASK;
	xcrs->xcrs[0].value = vcpu->vmx->xcr0;
}

int vcpu_set_xcrs(struct vcpu *vcpu, const struct kvm_xcrs *xcrs)
{
	u32 i;

	if (!boot_cpu_has(X86_FEATURE_XSAVE) || xcrs->nr_xcrs > KVM_MAX_XCRS || xcrs->flags)
		return -EINVAL;
	for (i = 0; i < xcrs->nr_xcrs; i++) {
		if (xcrs->xcrs[i].xcr != XCR_XFEATURE_ENABLED_MASK)
			continue;
		if (!xcr0_is_valid(xcrs->xcrs[i].value, vcpu->cpuid.xcr0_bits))
			return -EINVAL;
		vcpu->vmx->xcr0 = xcrs->xcrs[i].value;
		break;
	}
	return 0;
}
