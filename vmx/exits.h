/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What exits.c offers the run loop alone.
 */
#ifndef VELLUM_VMX_EXITS_H
#define VELLUM_VMX_EXITS_H

struct vcpu;

/* exit_dispatch() for an exit that is known not to be L2's. */
int exit_handle(struct vcpu *vcpu);

#endif
