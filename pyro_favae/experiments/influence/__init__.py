"""The four experiments of *Discovering Influential Factors in Variational Autoencoders*.

Discovery (Section 5.2), generation (5.3) and classification (5.4) from the most influential factors, on MNIST, CelebA
and electroencephalograms.
"""
