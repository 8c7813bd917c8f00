/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Hyper-V's interface as CPUID shows it (TLFS, "Feature and Interface Discovery").
 */
#ifndef VELLUM_PLATFORM_HYPERV_H
#define VELLUM_PLATFORM_HYPERV_H

#include "types.h"

#define HYPERV_CPUID_LEAVES 11
#define HYPERV_SIGNATURE    0x31237648u /* "Hv#1", of the leaf 0x40000001 */

/*
 * KVM_GET_SUPPORTED_HV_CPUID: at most @max entries to @entries; the number, or -E2BIG.
 * @evmcs: versions of the enlightened VMCS, highest in bits 15:8, lowest in 7:0; 0: none.
 */
int hyperv_cpuid(struct kvm_cpuid_entry2 *entries, u32 max, u32 vcpus, u16 evmcs);

#endif
