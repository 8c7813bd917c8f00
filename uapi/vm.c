// SPDX-License-Identifier: GPL-2.0
/*
 * A VM's descriptor and its ioctls.
 */
#include <linux/anon_inodes.h>
#include <linux/compat.h>
#include <linux/module.h>
#include <linux/uaccess.h>

#include "uapi/uapi.h"

/* Three pages below this is where a KVM without unrestricted guest keeps its TSS. */
#define TSS_ADDR_MAX ((u32)(-3 * PAGE_SIZE))

int vm_fd_get(struct vm_fd *vmfd, struct vm *vm, const char *name,
	      const struct file_operations *fops, void *private)
{
	int fd = get_unused_fd_flags(O_CLOEXEC);

	if (fd < 0)
		return fd;
	vmfd->fd = fd;
	vmfd->file = anon_inode_getfile(name, fops, private, O_RDWR);
	if (IS_ERR(vmfd->file)) {
		put_unused_fd(fd);
		return PTR_ERR(vmfd->file);
	}
	vm_get(vm);
	return 0;
}

/*
 * The size of a ring is settled before there is a vCPU; with it goes how
 * writes are tracked, since a ring must hear of each as it happens.
 */
static long enable_ring(struct vm *vm, u64 bytes)
{
	int entries = ring_entries(bytes);
	long err = 0;

	if (entries < 0)
		return entries;
	mutex_lock(&vm->lock);
	if (vm->ring_entries || vm->nr_vcpus) {
		err = -EINVAL;
	} else {
		vm->mmu.kind = mmu_choose_kind(vm->mmu.caps, true);
		vm->mmu.logs_l2 = mmu_choose_logs_l2(vm->mmu.caps, true);
		vm->ring_entries = entries;
	}
	mutex_unlock(&vm->lock);
	return err;
}

static long enable_manual_protect(struct vm *vm, u64 flags)
{
	u64 allowed = KVM_DIRTY_LOG_MANUAL_PROTECT_ENABLE;

	if (flags & KVM_DIRTY_LOG_MANUAL_PROTECT_ENABLE)
		allowed |= KVM_DIRTY_LOG_INITIALLY_SET;
	if (flags & ~allowed)
		return -EINVAL;
	mutex_lock(&vm->slots_lock);
	vm->manual_protect = flags;
	mutex_unlock(&vm->slots_lock);
	return 0;
}

/* The bitmap works beside the ring here whether or not it is asked for. */
static long enable_ring_bitmap(struct vm *vm)
{
	struct slots *slots;
	long err = 0;

	mutex_lock(&vm->slots_lock);
	slots = rcu_dereference_protected(vm->host.slots, lockdep_is_held(&vm->slots_lock));
	if (!READ_ONCE(vm->ring_entries) || slots->nr)
		err = -EINVAL;
	mutex_unlock(&vm->slots_lock);
	return err;
}

static long vm_enable_cap(struct vm *vm, const struct kvm_enable_cap *cap)
{
	if (cap->flags)
		return -EINVAL;
	switch (cap->cap) {
	case KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2:
		return enable_manual_protect(vm, cap->args[0]);
	case KVM_CAP_DIRTY_LOG_RING:
	case KVM_CAP_DIRTY_LOG_RING_ACQ_REL:
		return enable_ring(vm, cap->args[0]);
	case KVM_CAP_DIRTY_LOG_RING_WITH_BITMAP:
		return enable_ring_bitmap(vm);
	case KVM_CAP_X2APIC_API:
		return irq_enable_x2apic_api(vm, cap->args[0]);
	case KVM_CAP_EXCEPTION_PAYLOAD:
		WRITE_ONCE(vm->exception_payload, cap->args[0]);
		return 0;
	case KVM_CAP_X86_TRIPLE_FAULT_EVENT:
		WRITE_ONCE(vm->triple_fault_event, cap->args[0]);
		return 0;
	case KVM_CAP_EXIT_ON_EMULATION_FAILURE:
		if (cap->args[0] > 1)
			return -EINVAL;
		WRITE_ONCE(vm->exit_on_emulation_failure, cap->args[0]);
		return 0;
	default:
		return policy_enable(vm, cap);
	}
}

/* Used where there is no unrestricted guest. */
static long set_identity_map_addr(struct vm *vm, u64 __user *user)
{
	u64 addr;
	long err;

	if (copy_from_user(&addr, user, sizeof(addr)))
		return -EFAULT;
	mutex_lock(&vm->lock);
	err = vm->nr_vcpus || addr > U32_MAX ? -EINVAL : 0;
	if (!err)
		vm->identity_map = addr ? addr & PAGE_MASK : IDENTITY_MAP_DEFAULT;
	mutex_unlock(&vm->lock);
	return err;
}

/* Those whose argument is a structure of bitmap and range. */
static long vm_ioctl_harvest(struct vm *vm, unsigned int cmd, void __user *user)
{
	union {
		struct kvm_dirty_log get;
		struct kvm_clear_dirty_log clear;
	} log;

	if (copy_from_user(&log, user, _IOC_SIZE(cmd)))
		return -EFAULT;
	if (cmd == KVM_GET_DIRTY_LOG) {
		if (in_compat_syscall())
			log.get.dirty_bitmap = compat_ptr(log.get.padding2);
		return harvest_get(vm, &log.get);
	}
	if (in_compat_syscall())
		log.clear.dirty_bitmap = compat_ptr(log.clear.padding2);
	return min(harvest_clear(vm, &log.clear, U64_MAX), 0l);
}

static long vm_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	struct kvm_userspace_memory_region region;
	void __user *user = (void __user *)arg;
	struct vm *vm = file->private_data;
	struct kvm_enable_cap cap;
	int err = vm_check_caller(vm);

	if (err)
		return err;
	switch (cmd) {
	case KVM_CHECK_EXTENSION:
		return cap_value(arg);
	case KVM_CREATE_VCPU:
		return vcpu_ioctl_create(vm, arg);
	case KVM_SET_USER_MEMORY_REGION:
	case KVM_SET_USER_MEMORY_REGION2: /* what follows is for a flag that is refused */
		if (copy_from_user(&region, user, sizeof(region)))
			return -EFAULT;
		return memory_set_region(vm, &region);
	case KVM_SET_NR_MMU_PAGES:
		return memory_limit_shadow(vm, arg);
	case KVM_GET_NR_MMU_PAGES:
		return READ_ONCE(vm->max_shadow_pages);
	case KVM_GET_DIRTY_LOG:
	case KVM_CLEAR_DIRTY_LOG:
		return vm_ioctl_harvest(vm, cmd, user);
	case KVM_RESET_DIRTY_RINGS:
		return harvest_reset_rings(vm, S32_MAX);
	case KVM_ENABLE_CAP:
		if (copy_from_user(&cap, user, sizeof(cap)))
			return -EFAULT;
		return vm_enable_cap(vm, &cap);
	case KVM_X86_SET_MSR_FILTER:
		return policy_set_msr_filter(vm, user);
	case KVM_CREATE_IRQCHIP:
		return irq_create_chip(vm);
	case KVM_SET_BOOT_CPU_ID:
		return irq_set_boot_cpu(vm, arg);
	case KVM_SIGNAL_MSI:
		return irq_signal_msi(vm, user);
	case KVM_SET_TSS_ADDR:
		return arg > TSS_ADDR_MAX ? -EINVAL : 0;
	case KVM_SET_IDENTITY_MAP_ADDR:
		return set_identity_map_addr(vm, user);
	case KVM_SET_TSC_KHZ:
	case KVM_GET_TSC_KHZ:
	case KVM_GET_CLOCK:
	case KVM_SET_CLOCK:
		return clock_vm_ioctl(vm, cmd, arg);
	case KVM_GET_STATS_FD:
		return stats_fd(vm, NULL);
	default:
		return extend_vm_ioctl(vm, cmd, arg);
	}
}

static int vm_release(struct inode *inode, struct file *file)
{
	vm_put(file->private_data);
	return 0;
}

static const struct file_operations vm_fops = {
	.owner = THIS_MODULE,
	.unlocked_ioctl = vm_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
	.release = vm_release,
	.llseek = noop_llseek,
};

long vm_ioctl_create(unsigned long type)
{
	struct vm_fd vmfd;
	struct vm *vm;
	int err;

	if (type)
		return -EINVAL;
	vm = vm_create();
	if (IS_ERR(vm))
		return PTR_ERR(vm);
	err = vm_fd_get(&vmfd, vm, "vellum-vm", &vm_fops, vm);
	vm_put(vm); /* the descriptor has its own */
	if (err)
		return err;
	fd_install(vmfd.fd, vmfd.file);
	return vmfd.fd;
}
