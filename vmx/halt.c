// SPDX-License-Identifier: GPL-2.0
/*
 * A vCPU's thread that sleeps in KVM_RUN until there is something to run for.
 */
#include <linux/rcuwait.h>
#include <linux/sched/signal.h>

#include "vmx/vmx.h"

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
		schedule();
	}
	finish_rcuwait(&vcpu->wait);
	return ret;
}
