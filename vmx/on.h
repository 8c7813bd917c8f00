/* SPDX-License-Identifier: GPL-2.0 */
/*
 * VMX operation on every CPU: entered when the module is loaded, left when it
 * is unloaded, and in between followed through hotplug, suspend, reboot and
 * crash.  And which VMCSs are active where, so that each can be cleared in time.
 */
#ifndef VELLUM_VMX_ON_H
#define VELLUM_VMX_ON_H

#include <linux/percpu.h>

#include "types.h"

struct vcpu_vmx;

/* 0, or -errno after a sentence in the log. */
int vmx_on_init(void);
void vmx_on_exit(void);

/*
 * Makes the vCPU's VMCS this CPU's current one, and takes its VMCSs from the
 * CPU on which they were active before.  True when they came from elsewhere.
 * Preemption off, interrupts on.
 */
bool vmcs_load(struct vcpu_vmx *vmx);
/* Clears the VMCSs where they are active.  Interrupts on. */
void vmcs_unload(struct vcpu_vmx *vmx);

DECLARE_PER_CPU(struct vcpu_vmx *, vmcs_here); /* on.c's */

/* The vCPU whose VMCS is current on this CPU, or NULL.  Preemption off. */
static inline struct vcpu_vmx *vmcs_current(void)
{
	return this_cpu_read(vmcs_here);
}

#endif
