/* SPDX-License-Identifier: GPL-2.0 */
/* The kernel's own header, from linux-headers: the bits of Hyper-V's CPUID are an ABI. */
#ifndef VELLUM_UNIT_ASM_GENERIC_HYPERV_TLFS_H
#define VELLUM_UNIT_ASM_GENERIC_HYPERV_TLFS_H

#include <include/asm-generic/hyperv-tlfs.h>

#endif
