// SPDX-License-Identifier: GPL-2.0
/*
 * KVM_RUN: the loop that a vCPU's thread spends its life in.  It reads from
 * top to bottom: what must be done before an entry, a burst of entries with
 * interrupts off, and what an exit needs that may sleep.
 */
#include <linux/context_tracking.h>
#include <linux/hw_breakpoint.h>
#include <linux/rcupdate.h>
#include <linux/sched/signal.h>
#include <linux/vtime.h>
#include <asm/debugreg.h>
#include <asm/mmu_context.h>

#include "compat.h"
#include "vmx/enter.h"
#include "vmx/exits.h"
#include "vmx/stall.h"
#include "vmx/trace.h"
#include "vmx/vmx.h"

/*
 * What the thread has to do in the kernel before it may vanish into a guest.
 * Work for the way to userspace (TIF_NOTIFY_RESUME: restartable sequences, put
 * after every preemption) waits until there is one.
 */
#define THREAD_WORK (_TIF_NEED_RESCHED | _TIF_SIGPENDING | _TIF_NOTIFY_SIGNAL)

/* Host state that may change whenever interrupts are on; only changes are written. */
static void write_host_state(struct vmcs *vmcs)
{
	u64 cr3 = __read_cr3();
	u64 cr4 = cr4_read_shadow();

	if (unlikely(cr3 != vmcs->host_cr3)) {
		vmcs->host_cr3 = cr3;
		vmwrite(HOST_CR3, cr3);
	}
	if (unlikely(cr4 != vmcs->host_cr4)) {
		vmcs->host_cr4 = cr4;
		vmwrite(HOST_CR4, cr4);
	}
}

static bool take_request(struct vcpu *vcpu, unsigned long request)
{
	return test_and_clear_bit(__ffs(request), &vcpu->pending);
}

/*
 * After mode = VCPU_IN_GUEST and its barrier: takes up what was asked of this
 * vCPU.  False: it must not enter.
 */
static bool take_requests(struct vcpu *vcpu)
{
	u64 gen;

	if (read_thread_flags() & THREAD_WORK)
		return false;
	if (unlikely(READ_ONCE(vcpu->pending))) {
		vcpu->stats.requests++;
		if (READ_ONCE(vcpu->vm->dead) || (READ_ONCE(vcpu->pending) & VCPU_REQ_SLOW))
			return false;
		if (take_request(vcpu, VCPU_REQ_PML))
			pml_arm(vcpu);
		if (take_request(vcpu, VCPU_REQ_VPID))
			tlb_flush_vpid(vcpu);
		/* A full barrier: what was left before the request is seen.  Pairs with apic.c. */
		if (take_request(vcpu, VCPU_REQ_EVENT))
			event_choose(vcpu);
		/* That may have asked for what needs interrupts on. */
		if (READ_ONCE(vcpu->pending) & VCPU_REQ_SLOW)
			return false;
	}
	gen = atomic64_read(&vcpu->vm->tlb_gen);
	if (unlikely(gen != vcpu->tlb_seen)) {
		vcpu->tlb_seen = gen;
		tlb_flush_ept(vcpu);
	}
	return true;
}

/*
 * NMIs and machine checks that ended the guest's turn are the host's, and NMIs
 * stay blocked until the handler's IRET: they are handled first of all.
 */
static void deliver_host_event(void)
{
	u32 info = vmread(VM_EXIT_INTR_INFO);

	if ((info & INTR_INFO_INTR_TYPE_MASK) == INTR_TYPE_NMI_INTR)
		asm volatile("int $2" : : : "memory");
	else if ((info & INTR_INFO_VECTOR_MASK) == MC_VECTOR)
		asm volatile("int $18" : : : "memory");
}

#define REFUSED \
	"VM entry failed with instruction error %llu: pin %#llx primary %#llx secondary %#llx" \
	" entry %#llx event %#llx error %#llx length %llu cr0 %#llx"

/* VMLAUNCH or VMRESUME was refused: the VMCS is wrong, which is a bug of ours. */
static noinline int entry_refused(struct vcpu *vcpu, int how)
{
	char why[192];

	if (how == VMX_ENTER_FAIL)
		snprintf(why, sizeof(why), REFUSED, vmread(VM_INSTRUCTION_ERROR),
			 vmread(PIN_BASED_VM_EXEC_CONTROL), vmread(CPU_BASED_VM_EXEC_CONTROL),
			 vmread(SECONDARY_VM_EXEC_CONTROL), vmread(VM_ENTRY_CONTROLS),
			 vmread(VM_ENTRY_INTR_INFO_FIELD), vmread(VM_ENTRY_EXCEPTION_ERROR_CODE),
			 vmread(VM_ENTRY_INSTRUCTION_LEN), vmread(GUEST_CR0));
	else
		snprintf(why, sizeof(why), "VM entry failed: VMX is off or there is no VMCS");
	vm_kill(vcpu->vm, why);
	return -EIO;
}

/* One entry and what its exit needs at once.  An enum exit_action or -errno. */
static int enter_once(struct vcpu *vcpu)
{
	struct vcpu_vmx *vmx = vcpu->vmx;
	struct vmcs *vmcs = vmx->vmcs;
	int refused;

	if (unlikely(vmx->event.info))
		event_inject(vcpu);
	context_tracking_guest_enter();
	refused = vmx_enter(vcpu->regs, &vmcs->host_rsp, vmcs->launched);
	context_tracking_guest_exit();
	if (unlikely(vmx->host.debugctl))
		wrmsrl(MSR_IA32_DEBUGCTLMSR, vmx->host.debugctl);
	if (unlikely(refused))
		return entry_refused(vcpu, refused);
	vmx->exit_reason = vmread(VM_EXIT_REASON);
	/* An entry that fails on the guest's state launches nothing (SDM 27.8). */
	if (likely(!(vmx->exit_reason & VMX_EXIT_REASONS_FAILED_VMENTRY)))
		vmcs->launched = true;
	if (vmx->exit_reason == EXIT_REASON_EXCEPTION_NMI)
		deliver_host_event();
	trace_vellum_exit(vcpu);
	if (vmcs->pml_armed)
		pml_collect(vcpu);
	stats_count_exit(&vcpu->stats, vmx->exit_reason);
	/* What is L1's to have may sleep. */
	if (unlikely(vmcs != &vmx->vmcs01))
		return nested_ops->is_quick(vcpu) ? exit_handle(vcpu) : EXIT_SLOW;
	if (exit_is_quick(vmx->exit_reason))
		return exit_handle(vcpu);
	if (vmx->exit_reason == EXIT_REASON_EPT_VIOLATION && exit_ept_restore(vcpu))
		return ENTER_AGAIN;
	return EXIT_SLOW;
}

/* What this thread asked of itself by the last exit; false: the burst ends. */
static bool take_own_requests(struct vcpu *vcpu)
{
	/* The one that interrupts make all the time needs nothing but interrupts off. */
	if (READ_ONCE(vcpu->pending) != VCPU_REQ_EVENT)
		return false;
	take_request(vcpu, VCPU_REQ_EVENT);
	event_choose(vcpu);
	return !(READ_ONCE(vcpu->pending) & VCPU_REQ_SLOW);
}

/*
 * Enters the guest again and again until an exit needs interrupts on, or there
 * is something else to do.  Whatever another CPU asks for meanwhile comes with
 * an interrupt and so with an exit; only what this thread asks of itself is
 * tested between two entries.
 */
static int enter_until_slow(struct vcpu *vcpu)
{
	int action;

	do {
		action = enter_once(vcpu);
	} while (action == ENTER_AGAIN && !ring_is_soft_full(&vcpu->ring) &&
		 !ring_event_waits(&vcpu->ring) &&
		 (likely(!READ_ONCE(vcpu->pending)) || take_own_requests(vcpu)));
	return action;
}

/*
 * Interrupts off throughout: an interrupt for this CPU is acknowledged only
 * when the guest was left and its log drained.  See tlb.c for the protocol.
 */
static int burst_irqs_off(struct vcpu *vcpu)
{
	struct vcpu_vmx *vmx = vcpu->vmx;
	int action = ENTER_AGAIN;

	if (test_thread_flag(TIF_NEED_FPU_LOAD))
		switch_fpu_return();
	write_host_state(vmx->vmcs);
	vmx->host.debugctl = __rdmsr(MSR_IA32_DEBUGCTLMSR);
	if (unlikely(debug_in_use(vmx)))
		debug_load_guest(vmx);
	xsave_load_guest(vcpu);
	perf_load_guest(vmx);
	if (read_cr2() != vmx->cr2)
		write_cr2(vmx->cr2);
	mitigate_before_burst();

	WRITE_ONCE(vcpu->kicked, STALL_NONE);
	WRITE_ONCE(vcpu->mode, VCPU_IN_GUEST);
	/* Pairs with the barrier in tlb.c: requests are asked for, then mode is looked at. */
	smp_mb();
	if (take_requests(vcpu)) {
		if (unlikely(stall_lasts(vcpu)))
			stall_end(vcpu);
		if (vmx_in_l2(vmx))
			nested_ops->before_entry(vcpu);
		action = enter_until_slow(vcpu);
	}
	/* The log is drained before anybody may see us outside; pairs with tlb.c's acquire. */
	smp_store_release(&vcpu->mode, VCPU_OUTSIDE);

	mitigate_after_burst();
	if (vmx->host.perf.n)
		perf_load_host(vmx);
	vmx->cr2 = read_cr2();
	xsave_load_host(vcpu);
	/* The exit cleared DR7: only if the host has a breakpoint do the registers matter. */
	if (unlikely(hw_breakpoint_active()))
		hw_breakpoint_restore();
	return action;
}

/* Requests of VCPU_REQ_SLOW; answers as before_burst() does. */
static int take_slow_requests(struct vcpu *vcpu)
{
	if (take_request(vcpu, VCPU_REQ_TRIPLE_FAULT)) {
		if (vmx_in_l2(vcpu->vmx))
			return nested_ops->triple_fault(vcpu);
		vcpu->run->exit_reason = KVM_EXIT_SHUTDOWN;
		return EXIT_TO_USER;
	}
	if (take_request(vcpu, VCPU_REQ_NESTED) && vmx_in_l2(vcpu->vmx)) {
		vcpu_request(vcpu, VCPU_REQ_EVENT);
		return nested_ops->settle(vcpu);
	}
	/* Each may add a page to the ring, which has room. */
	if (take_request(vcpu, VCPU_REQ_CLOCK))
		clock_update(vcpu);
	if (take_request(vcpu, VCPU_REQ_STEAL))
		steal_update(vcpu);
	if (take_request(vcpu, VCPU_REQ_YIELD))
		schedule(); /* whose turn it is, runs */
	if (take_request(vcpu, VCPU_REQ_MP))
		return halt_settle(vcpu);
	return take_request(vcpu, VCPU_REQ_REAL_MODE) ? restricted_check(vcpu) : 0;
}

/* 0: everything that had to be done is done.  Else an enum exit_action or -errno. */
static int before_burst(struct vcpu *vcpu)
{
	int ret = 0;

	if (READ_ONCE(vcpu->vm->dead))
		return -EIO;
	if (ring_is_soft_full(&vcpu->ring)) {
		if (unlikely(vcpu->ring.lost)) {
			vm_kill(vcpu->vm, "a dirty ring's reserve was not enough");
			return -EIO;
		}
		vcpu->stats.ring_full++;
		stall_begin(vcpu, STALL_RING_FULL, rdtsc());
		trace_vellum_ring_full(vcpu);
		vcpu->run->exit_reason = KVM_EXIT_DIRTY_RING_FULL;
		return EXIT_TO_USER;
	}
	if (signal_pending(current)) {
		vcpu->run->exit_reason = KVM_EXIT_INTR;
		return -EINTR;
	}
	if (unlikely(READ_ONCE(vcpu->pending) & VCPU_REQ_SLOW)) {
		ret = take_slow_requests(vcpu);
		vcpu_tell_ring(vcpu);
	}
	return ret;
}

/* Between load and put. */
static int exit_dispatch(struct vcpu *vcpu)
{
	int action;

	if (likely(!vmx_in_l2(vcpu->vmx)))
		return exit_handle(vcpu);
	action = nested_ops->exit(vcpu);
	return action == NESTED_L0 ? exit_handle(vcpu) : action;
}

static int run_burst(struct vcpu *vcpu)
{
	int action;

	preempt_disable();
	guest_state_load(vcpu);
	local_irq_disable();
	vtime_account_guest_enter();
	action = burst_irqs_off(vcpu);
	if (action == EXIT_SLOW && vcpu->vmx->exit_reason == EXIT_REASON_EXTERNAL_INTERRUPT) {
		stall_by_kick(vcpu);
		/* The interrupt is taken here, while its time still counts as the guest's. */
		local_irq_enable();
		asm volatile("nop"); /* interrupts are on from the instruction after STI's next */
		local_irq_disable();
		/* A tick that finds us here finds preemption off: RCU has to be told. */
		compat_rcu_note_guest();
	}
	vtime_account_guest_exit();
	local_irq_enable();
	preempt_enable();
	return action == EXIT_SLOW ? exit_dispatch(vcpu) : action;
}

/* The access that the last exit asked userspace for. */
static int complete_io(struct vcpu *vcpu)
{
	struct io_pending pending = vcpu->vmx->io;
	int ret;

	if (!pending.complete)
		return ENTER_AGAIN;
	vcpu->vmx->io.complete = NULL;
	ret = pending.complete(vcpu);
	vcpu_tell_ring(vcpu);
	return ret;
}

/* What every exit tells. */
static void tell_user(struct vcpu *vcpu)
{
	struct kvm_run *run = vcpu->run;
	bool interrupts = vmread(GUEST_RFLAGS) & X86_EFLAGS_IF;

	run->if_flag = interrupts;
	run->flags = 0;
	run->cr8 = vmx_cr8(vcpu);
	run->apic_base = vcpu->msrs.apic_base;
	run->ready_for_interrupt_injection =
		vcpu->apic || (interrupts && vcpu->vmx->interrupt < 0 && !vcpu->vmx->event.info);
}

/* Before the first entry: what userspace asks for by kvm_run. */
static void hear_user(struct vcpu *vcpu)
{
	bool window = !vcpu->apic && READ_ONCE(vcpu->run->request_interrupt_window);

	if (!vcpu->apic)
		vmx_set_cr8(vcpu, READ_ONCE(vcpu->run->cr8));
	if (window == vcpu->vmx->window_wanted)
		return;
	vcpu->vmx->window_wanted = window;
	vcpu_request(vcpu, VCPU_REQ_EVENT);
}

int vcpu_run(struct vcpu *vcpu)
{
	struct vcpu_vmx *vmx = vcpu->vmx;
	int action;

	vcpu->ran = true;
	vcpu_load(vcpu);
	fpu_swap_kvm_fpstate(&vmx->fpu, true);
	hear_user(vcpu);

	steal_begin(vcpu);
	action = complete_io(vcpu);
	/* The last exit's reason stays: who sets immediate_exit may have yet to look at it. */
	if (action == ENTER_AGAIN && compat_immediate_exit(vcpu->run))
		action = -EINTR;
	while (action == ENTER_AGAIN) {
		action = before_burst(vcpu);
		if (!action) {
			action = run_burst(vcpu);
			vcpu_tell_ring(vcpu);
		}
		if (action == ENTER_AGAIN)
			cond_resched();
	}

	if (unlikely(vmx->steal.shown)) {
		steal_end(vcpu);
		vcpu_tell_ring(vcpu);
	}
	stall_leave(vcpu);
	tell_user(vcpu);
	fpu_swap_kvm_fpstate(&vmx->fpu, false);
	vcpu_put(vcpu);
	return action < 0 ? action : 0;
}
