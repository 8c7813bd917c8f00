// SPDX-License-Identifier: GPL-2.0
/*
 * A vCPU that does not run: halted, or waiting for INIT and a start-up message
 * (SDM 3A 9.4).  Its thread sleeps in KVM_RUN until there is something to run for.
 */
#include <linux/hrtimer.h>
#include <linux/rcuwait.h>
#include <linux/sched/signal.h>

#include "vmx/vmx.h"

/* Until somebody wakes us, or a halted L2 has to exit by L1's preemption timer. */
static void sleep(struct vcpu *vcpu)
{
	u64 ns = vmx_in_l2(vcpu->vmx) ? nested_ops->timer_ns(vcpu) : U64_MAX;
	ktime_t left = ns_to_ktime(min_t(u64, ns, KTIME_MAX));

	vcpu->stats.sleeps++;
	if (ns == U64_MAX)
		schedule();
	else
		schedule_hrtimeout(&left, HRTIMER_MODE_REL);
}

/*
 * vcpu_kick() wakes us: what it was called for is written before it looks at
 * vcpu->wait, and we are in vcpu->wait before @due looks for that.
 */
int halt_wait(struct vcpu *vcpu, bool (*due)(struct vcpu *vcpu))
{
	int ret = 0;

	prepare_to_rcuwait(&vcpu->wait);
	for (;;) {
		/* Its barrier pairs with that of rcuwait_wake_up() in vcpu_kick(). */
		set_current_state(TASK_INTERRUPTIBLE);
		if (due(vcpu) || READ_ONCE(vcpu->vm->dead))
			break;
		if (signal_pending(current)) {
			vcpu->run->exit_reason = KVM_EXIT_INTR;
			ret = -EINTR;
			break;
		}
		sleep(vcpu);
	}
	finish_rcuwait(&vcpu->wait);
	return ret;
}

void halt_set_state(struct vcpu *vcpu, u32 mp_state)
{
	vcpu->mp_state = mp_state;
	if (mp_state != KVM_MP_STATE_RUNNABLE)
		vcpu_request(vcpu, VCPU_REQ_MP);
}

/* Something that ends HLT: an interrupt that IF lets through, an NMI, an exception. */
static bool has_event(const struct vcpu *vcpu)
{
	const struct vcpu_vmx *vmx = vcpu->vmx;

	if (vmx->event.info || vmx->pending.valid)
		return true;
	if (vmx_in_l2(vmx) && nested_ops->exit_is_due(vcpu))
		return true;
	if ((vmx->nmi_pending || atomic_read(&vcpu->nmis)) &&
	    !(vmread(GUEST_INTERRUPTIBILITY_INFO) & GUEST_INTR_STATE_NMI))
		return true;
	return interrupt_due(vcpu) >= 0 && (vmread(GUEST_RFLAGS) & X86_EFLAGS_IF);
}

/* VMX operation keeps INIT back (SDM 3C 24.8); L2 exits by it, see exit_is_due(). */
static bool startup_is_due(const struct vcpu *vcpu)
{
	return READ_ONCE(vcpu->startup) && !vcpu->vmx->vmxon;
}

static bool is_due(struct vcpu *vcpu)
{
	return startup_is_due(vcpu) || (vcpu->mp_state == KVM_MP_STATE_HALTED && has_event(vcpu));
}

/* The BSP starts at the reset vector at once, all others wait (SDM 3A 9.4.3). */
static void take_init(struct vcpu *vcpu)
{
	bool bsp = vcpu->msrs.apic_base & MSR_IA32_APICBASE_BSP;

	vcpu_init_reset(vcpu);
	halt_set_state(vcpu, bsp ? KVM_MP_STATE_RUNNABLE : KVM_MP_STATE_INIT_RECEIVED);
}

void halt_take_startup(struct vcpu *vcpu)
{
	/* One look at both: of INIT and SIPI one after the other none is missed. */
	unsigned long startup = startup_is_due(vcpu) ? xchg(&vcpu->startup, 0) : 0;

	if (startup & BIT(STARTUP_INIT))
		take_init(vcpu);
	if (!(startup & BIT(STARTUP_SIPI)) || vcpu->mp_state != KVM_MP_STATE_INIT_RECEIVED)
		return;
	vcpu_sipi_start(vcpu, READ_ONCE(vcpu->sipi_vector));
	halt_set_state(vcpu, KVM_MP_STATE_RUNNABLE);
}

/* INIT makes L2 exit, and so does what wakes it from HLT and is L1's. */
static bool leaves_l2(const struct vcpu *vcpu)
{
	if (!vmx_in_l2(vcpu->vmx) || vcpu->vmx->event.info)
		return false;
	return (vcpu->mp_state == KVM_MP_STATE_HALTED || READ_ONCE(vcpu->startup)) &&
	       nested_ops->exit_is_due(vcpu);
}

int halt_settle(struct vcpu *vcpu)
{
	int ret = 0;

	for (;;) {
		halt_take_startup(vcpu);
		/* That exit tells L1 whether L2 was halted. */
		if (leaves_l2(vcpu)) {
			vcpu_request(vcpu, VCPU_REQ_NESTED);
			return 0;
		}
		if (vcpu->mp_state == KVM_MP_STATE_HALTED && has_event(vcpu))
			vcpu->mp_state = KVM_MP_STATE_RUNNABLE;
		if (vcpu->mp_state == KVM_MP_STATE_RUNNABLE)
			return 0;
		/* HLT that L2 was entered in: userspace's, as the instruction is. */
		if (!vcpu->apic) {
			vcpu->mp_state = KVM_MP_STATE_RUNNABLE;
			vcpu->run->exit_reason = KVM_EXIT_HLT;
			return EXIT_TO_USER;
		}
		ret = READ_ONCE(vcpu->vm->dead) ? -EIO : halt_wait(vcpu, is_due);
		if (ret) {
			vcpu_request(vcpu, VCPU_REQ_MP);
			return ret;
		}
	}
}

/* Without a local APIC in the kernel HLT is userspace's. */
int exit_hlt(struct vcpu *vcpu)
{
	skip_insn(vcpu);
	if (has_event(vcpu)) {
		vcpu_request(vcpu, VCPU_REQ_EVENT);
		return ENTER_AGAIN;
	}
	if (vcpu->apic) {
		halt_set_state(vcpu, KVM_MP_STATE_HALTED);
		return ENTER_AGAIN;
	}
	vcpu->run->exit_reason = KVM_EXIT_HLT;
	return EXIT_TO_USER;
}

/* What was sent before is in the answer. */
u32 vcpu_get_mp_state(struct vcpu *vcpu)
{
	vcpu_load(vcpu);
	halt_take_startup(vcpu);
	vcpu_put(vcpu);
	return vcpu->mp_state;
}

int vcpu_set_mp_state(struct vcpu *vcpu, u32 mp_state)
{
	switch (mp_state) {
	case KVM_MP_STATE_RUNNABLE:
		break;
	case KVM_MP_STATE_UNINITIALIZED:
	case KVM_MP_STATE_INIT_RECEIVED:
	case KVM_MP_STATE_HALTED:
	case KVM_MP_STATE_SIPI_RECEIVED:
		if (!vcpu->apic)
			return -EINVAL;
		break;
	default:
		return -EINVAL;
	}
	if (mp_state == KVM_MP_STATE_SIPI_RECEIVED) {
		mp_state = KVM_MP_STATE_INIT_RECEIVED;
		set_bit(STARTUP_SIPI, &vcpu->startup);
	}
	halt_set_state(vcpu, mp_state);
	return 0;
}
