//! Empty: the models are in `tests`, one file for each modelled file of lasse.
