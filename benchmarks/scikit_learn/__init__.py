"""Do scikit-learn models gain from the end loss? Six systems on real data, three families of models, honest peers."""
