// SPDX-License-Identifier: GPL-2.0
/*
 * Hypercalls (Documentation/virt/kvm/x86/hypercalls.rst), and the quirk that
 * mends a guest which uses the other vendor's instruction for them.
 */
#include <uapi/linux/kvm_para.h>

#include "platform/gva.h"
#include "vmx/vmx.h"

/* The owner may take paravirtual features away by CPUID: KVM_CAP_ENFORCE_PV_FEATURE_CPUID. */
bool guest_pv_has(const struct vcpu *vcpu, unsigned int feature)
{
	return !vcpu->pv_enforced ||
	       (cpuid_entry(&vcpu->cpuid, KVM_CPUID_FEATURES, 0)->eax & BIT(feature));
}

static s64 hypercall(struct vcpu *vcpu, u64 nr)
{
	if (guest_cpl())
		return -KVM_EPERM;
	switch (nr) {
	case KVM_HC_VAPIC_POLL_IRQ: /* to have left the guest is all it asks for */
		return 0;
	case KVM_HC_SCHED_YIELD:
		if (!guest_pv_has(vcpu, KVM_FEATURE_PV_SCHED_YIELD))
			return -KVM_ENOSYS;
		/* Whoever the guest waits for: another thread gets the CPU. */
		vcpu_request(vcpu, VCPU_REQ_YIELD);
		return 0;
	}
	return -KVM_ENOSYS;
}

int exit_vmcall(struct vcpu *vcpu)
{
	bool wide = vmx_in_64bit(vcpu);
	u64 nr = vcpu->regs[GPR_RAX];
	s64 answer;

	if (unlikely(READ_ONCE(vcpu->vm->hyperv.guest_os_id)) && hyperv_is_offered(vcpu))
		return hyperv_hypercall(vcpu);
	answer = hypercall(vcpu, wide ? nr : (u32)nr);
	vcpu->regs[GPR_RAX] = wide ? answer : (u32)answer;
	skip_insn(vcpu);
	return ENTER_AGAIN;
}

/* 0, -EAGAIN with a fault queued, -EOPNOTSUPP: the code is something else. */
static int fetch_vmmcall(struct vcpu *vcpu, gva_t rip)
{
	static const u8 vmmcall[] = { 0x0f, 0x01, 0xd9 };
	int i, ret;
	gpa_t gpa;
	u8 byte;

	for (i = 0; i < ARRAY_SIZE(vmmcall); i++) {
		ret = guest_translate(vcpu, rip + i, GVA_FETCH, &gpa);
		if (ret)
			return ret;
		if (guest_read(vcpu, gpa, &byte, 1) || byte != vmmcall[i])
			return -EOPNOTSUPP;
	}
	return 0;
}

/*
 * VMMCALL, AMD's hypercall, is #UD here.  By KVM's habit (KVM_X86_QUIRK_-
 * FIX_HYPERCALL_INSN) who uses it gets his code changed to VMCALL, which differs
 * in the last byte, if he may write there, and tries again.
 */
static int fix_hypercall(struct vcpu *vcpu)
{
	static const u8 last = 0xc1;
	gva_t rip = vmx_linear_rip(vcpu);
	gpa_t gpa;
	int ret;

	if (!vm_has_quirk(vcpu->vm, KVM_X86_QUIRK_FIX_HYPERCALL_INSN))
		return -EOPNOTSUPP;
	ret = fetch_vmmcall(vcpu, rip);
	ret = ret ?: guest_translate(vcpu, rip + 2, GVA_WRITE, &gpa);
	return ret ?: guest_write(vcpu, gpa, &last, 1);
}

int exit_invalid_opcode(struct vcpu *vcpu)
{
	int ret = fix_hypercall(vcpu);

	if (ret && ret != -EAGAIN)
		queue_exception(vcpu, UD_VECTOR);
	return ENTER_AGAIN;
}
