/* SPDX-License-Identifier: GPL-2.0 */
#include <asm/kvm_para.h>
