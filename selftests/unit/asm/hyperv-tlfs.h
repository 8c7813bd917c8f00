/* SPDX-License-Identifier: GPL-2.0 */
/* The kernel's own header, from linux-headers: the enlightened VMCS is an ABI. */
#ifndef VELLUM_UNIT_ASM_HYPERV_TLFS_H
#define VELLUM_UNIT_ASM_HYPERV_TLFS_H

#include <arch/x86/include/asm/hyperv-tlfs.h>

#endif
