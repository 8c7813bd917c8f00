/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What uapi/ asks of nested/.
 */
#ifndef VELLUM_NESTED_INIT_H
#define VELLUM_NESTED_INIT_H

#include "types.h"

/* After vmx_init(), before there is a vCPU: from then on guests have VMX, if that is allowed. */
void nested_init(void);
bool nested_is_offered(void);

struct vcpu;

/* KVM_GET_NESTED_STATE: the header; @vmcs12 is two pages, filled so far as its size says. */
void nested_get_state(struct vcpu *vcpu, struct kvm_nested_state *state, void *vmcs12);
/*
 * KVM_SET_NESTED_STATE: @vmcs12 is two pages, or NULL if none came.  0, -EINVAL, or
 * -ENOMEM; where the header is wrong nothing has changed.
 */
int nested_set_state(struct vcpu *vcpu, const struct kvm_nested_state *state, const void *vmcs12);

/*
 * KVM_CAP_HYPERV_ENLIGHTENED_VMCS of a vCPU, its mutex held: 0 or -ENOMEM.  Its guest may
 * use enlightened VMCSs from now on, and loses the controls that these lack.
 */
int nested_enlighten(struct vcpu *vcpu);
bool nested_may_enlighten(const struct vcpu *vcpu);
/* Lowest and highest version of them, in bits 7:0 and 15:8. */
#define NESTED_EVMCS_VERSIONS 0x101

/* The capability MSRs, of KVM_GET_MSR_INDEX_LIST and KVM_GET_MSR_FEATURE_INDEX_LIST. */
extern const u32 nested_msr_list[];
extern const unsigned int nested_msr_count;
/* As they are offered: 0, or -ENOENT. */
int nested_msr_feature(u32 index, u64 *value);

#endif
