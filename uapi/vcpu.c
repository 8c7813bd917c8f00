// SPDX-License-Identifier: GPL-2.0
/*
 * A vCPU's descriptor: its mapping and its ioctls.
 */
#include <linux/anon_inodes.h>
#include <linux/compat.h>
#include <linux/module.h>
#include <linux/sched/signal.h>
#include <linux/uaccess.h>
#include <linux/vmalloc.h>

#include "uapi/uapi.h"

static unsigned long ring_pages(const struct vcpu *vcpu)
{
	return vcpu->ring.size * sizeof(struct kvm_dirty_gfn) >> PAGE_SHIFT;
}

/* The memory that stands at page @pgoff of the descriptor, or NULL. */
static void *vcpu_mapping(struct vcpu *vcpu, unsigned long pgoff)
{
	if (pgoff < VCPU_RUN_PAGES)
		return (void *)vcpu->run + (pgoff << PAGE_SHIFT);
	pgoff -= KVM_DIRTY_LOG_PAGE_OFFSET; /* wraps for a page before the ring */
	if (vcpu->ring.entries && pgoff < ring_pages(vcpu))
		return (void *)vcpu->ring.entries + (pgoff << PAGE_SHIFT);
	return NULL;
}

static vm_fault_t vcpu_vma_fault(struct vm_fault *vmf)
{
	void *memory = vcpu_mapping(vmf->vma->vm_file->private_data, vmf->pgoff);

	if (!memory)
		return VM_FAULT_SIGBUS;
	vmf->page = vmalloc_to_page(memory);
	get_page(vmf->page);
	return 0;
}

static const struct vm_operations_struct vcpu_vm_ops = {
	.fault = vcpu_vma_fault,
};

/* A ring is shared with the kernel: a private copy of it would tell nothing. */
static int vcpu_mmap(struct file *file, struct vm_area_struct *vma)
{
	unsigned long first = vma->vm_pgoff, end = first + vma_pages(vma);
	struct vcpu *vcpu = file->private_data;
	unsigned long ring_end = KVM_DIRTY_LOG_PAGE_OFFSET + ring_pages(vcpu);

	if (first < ring_end && end > KVM_DIRTY_LOG_PAGE_OFFSET &&
	    (!(vma->vm_flags & VM_SHARED) || (vma->vm_flags & VM_EXEC)))
		return -EINVAL;
	vma->vm_ops = &vcpu_vm_ops;
	return 0;
}

static bool sync_regs_asked(const struct kvm_run *run)
{
	return READ_ONCE(run->kvm_valid_regs) | READ_ONCE(run->kvm_dirty_regs);
}

static noinline long run_with_sync_regs(struct vcpu *vcpu)
{
	long ret = sync_regs_before(vcpu);

	if (!ret) {
		ret = vcpu_run(vcpu);
		sync_regs_after(vcpu);
	}
	return ret;
}

static long run(struct vcpu *vcpu)
{
	return unlikely(sync_regs_asked(vcpu->run)) ? run_with_sync_regs(vcpu) : vcpu_run(vcpu);
}

/*
 * While the guest runs the signals are those that KVM_SET_SIGNAL_MASK let through.
 * real_blocked keeps one that the caller blocks from being dropped as ignored.
 */
static noinline long run_with_sigset(struct vcpu *vcpu)
{
	long ret;

	sigprocmask(SIG_SETMASK, &vcpu->sigset, &current->real_blocked);
	ret = run(vcpu);
	sigprocmask(SIG_SETMASK, &current->real_blocked, NULL);
	sigemptyset(&current->real_blocked);
	return ret;
}

static long vcpu_ioctl_run(struct vcpu *vcpu, unsigned long arg)
{
	if (arg)
		return -EINVAL;
	return unlikely(vcpu->sigset_active) ? run_with_sigset(vcpu) : run(vcpu);
}

static long set_signal_mask(struct vcpu *vcpu, struct kvm_signal_mask __user *user)
{
	size_t size = in_compat_syscall() ? sizeof(compat_sigset_t) : sizeof(sigset_t);
	sigset_t set;
	u32 len;

	if (!user) {
		vcpu->sigset_active = false;
		return 0;
	}
	if (get_user(len, &user->len))
		return -EFAULT;
	if (len != size)
		return -EINVAL;
	if (in_compat_syscall()) {
		if (get_compat_sigset(&set, (compat_sigset_t __user *)user->sigset))
			return -EFAULT;
	} else if (copy_from_user(&set, user->sigset, sizeof(set))) {
		return -EFAULT;
	}
	sigdelsetmask(&set, sigmask(SIGKILL) | sigmask(SIGSTOP));
	vcpu->sigset = set;
	vcpu->sigset_active = true;
	return 0;
}

/* vcpu->mutex held. */
static noinline long vcpu_ioctl_locked(struct vcpu *vcpu, unsigned int cmd, unsigned long arg)
{
	void __user *user = (void __user *)arg;

	switch (cmd) {
	case KVM_GET_MSRS:
		return vcpu_get_msrs(vcpu, user);
	case KVM_SET_MSRS:
		return vcpu_set_msrs(vcpu, user);
	case KVM_GET_CPUID2:
		return vcpu_get_cpuid2(vcpu, user);
	case KVM_SET_CPUID2:
		return vcpu_set_cpuid2(vcpu, user);
	case KVM_GET_SUPPORTED_HV_CPUID:
		return get_hyperv_cpuid(vcpu, user);
	case KVM_ENABLE_CAP:
		return vcpu_enable_cap(vcpu, user);
	case KVM_INTERRUPT:
		return irq_interrupt(vcpu, user);
	case KVM_NMI:
		apic_nmi(vcpu);
		return 0;
	case KVM_SET_SIGNAL_MASK:
		return set_signal_mask(vcpu, user);
	case KVM_X86_SETUP_MCE:
	case KVM_X86_SET_MCE:
		return mce_vcpu_ioctl(vcpu, cmd, user);
	case KVM_SET_TSC_KHZ:
	case KVM_GET_TSC_KHZ:
	case KVM_HAS_DEVICE_ATTR:
	case KVM_GET_DEVICE_ATTR:
	case KVM_SET_DEVICE_ATTR:
	case KVM_KVMCLOCK_CTRL:
		return clock_vcpu_ioctl(vcpu, cmd, arg);
	case KVM_GET_NESTED_STATE:
	case KVM_SET_NESTED_STATE:
		return nested_vcpu_ioctl(vcpu, cmd, user);
	case KVM_GET_STATS_FD:
		return stats_fd(vcpu->vm, vcpu);
	case VELLUM_MARK:
	case VELLUM_RING_EVENT:
		return extend_vcpu_ioctl(vcpu, cmd, user);
	default:
		return vcpu_ioctl_state(vcpu, cmd, user);
	}
}

static long vcpu_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	struct vcpu *vcpu = file->private_data;
	long ret = vm_check_caller(vcpu->vm);

	if (ret)
		return ret;
	if (mutex_lock_killable(&vcpu->mutex))
		return -EINTR;
	/* The one whose speed counts comes before the many. */
	if (likely(cmd == KVM_RUN))
		ret = vcpu_ioctl_run(vcpu, arg);
	else
		ret = vcpu_ioctl_locked(vcpu, cmd, arg);
	mutex_unlock(&vcpu->mutex);
	return ret;
}

static int vcpu_release(struct inode *inode, struct file *file)
{
	struct vcpu *vcpu = file->private_data;

	vm_put(vcpu->vm); /* the vCPU itself goes with its VM */
	return 0;
}

static const struct file_operations vcpu_fops = {
	.owner = THIS_MODULE,
	.unlocked_ioctl = vcpu_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
	.mmap = vcpu_mmap,
	.release = vcpu_release,
	.llseek = noop_llseek,
};

/* May a vCPU with this id be added?  vm->lock held. */
static int check_new_id(const struct vm *vm, unsigned long id)
{
	unsigned int i;

	if (vm->nr_vcpus >= VM_MAX_VCPUS)
		return -EINVAL;
	for (i = 0; i < vm->nr_vcpus; i++)
		if (vm->vcpus[i]->id == id)
			return -EEXIST;
	return 0;
}

static long create_locked(struct vm *vm, u32 id)
{
	struct vcpu *vcpu;
	struct vm_fd vmfd;
	long err = check_new_id(vm, id);

	if (!err && !vmx_is_unrestricted())
		err = memory_make_identity_map(vm);
	if (err)
		return err;
	vcpu = vcpu_create(vm, id, vm->nr_vcpus);
	if (IS_ERR(vcpu))
		return PTR_ERR(vcpu);
	err = vm_fd_get(&vmfd, vm, "vellum-vcpu", &vcpu_fops, vcpu);
	if (err) {
		vcpu_destroy(vcpu);
		return err;
	}
	vm->vcpus[vm->nr_vcpus] = vcpu;
	/* Pairs with the acquires of those who walk vm->vcpus without vm->lock. */
	smp_store_release(&vm->nr_vcpus, vm->nr_vcpus + 1);
	vm_clock_tsc_changed(vm);
	fd_install(vmfd.fd, vmfd.file);
	return vmfd.fd;
}

long vcpu_ioctl_create(struct vm *vm, unsigned long id)
{
	long ret;

	if (id >= VM_MAX_VCPU_ID)
		return -EINVAL;
	mutex_lock(&vm->lock);
	ret = vm->max_vcpu_id && id >= vm->max_vcpu_id ? -EINVAL : create_locked(vm, id);
	mutex_unlock(&vm->lock);
	return ret;
}
