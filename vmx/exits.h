/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What exits.c offers the run loop alone.
 */
#ifndef VELLUM_VMX_EXITS_H
#define VELLUM_VMX_EXITS_H

struct vcpu;

/*
 * An exit that is L0's: not L2's, or one that L1 does not want.  Between load and
 * put; see run.c for who calls it with interrupts off.  An enum exit_action or -errno.
 */
int exit_handle(struct vcpu *vcpu);

#endif
