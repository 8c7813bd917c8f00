/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/*
 * What is offered of the KVM ABI and <linux/kvm.h> of older kernels does not name.
 */
#ifndef VELLUM_UAPI_KVM_LATER_H
#define VELLUM_UAPI_KVM_LATER_H

#include <linux/kvm.h>

/* From 6.2 on. */
#ifndef KVM_CAP_DIRTY_LOG_RING_WITH_BITMAP
#define KVM_CAP_DIRTY_LOG_RING_WITH_BITMAP 225
#endif

/*
 * From 6.8 on: struct kvm_userspace_memory_region, then where a guest_memfd is, for a flag
 * that is not offered.
 */
#ifndef KVM_CAP_USER_MEMORY2
#define KVM_CAP_USER_MEMORY2 231

struct kvm_userspace_memory_region2 {
	__u32 slot;
	__u32 flags;
	__u64 guest_phys_addr;
	__u64 memory_size;
	__u64 userspace_addr;
	__u64 guest_memfd_offset;
	__u32 guest_memfd;
	__u32 pad1;
	__u64 pad2[14];
};

#define KVM_SET_USER_MEMORY_REGION2 _IOW(KVMIO, 0x49, struct kvm_userspace_memory_region2)
#endif

#endif
